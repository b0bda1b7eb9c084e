"""Replicas that share the agents, on a real Redis; one of them stops, stalls, or loses what it had."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from gateway.immune.memory import Memory
from gateway.immune.record import Good, Record, new_record
from gateway.model.lifecycle import Life
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.keys import PARTITIONS, partition_of
from gateway.store.watch_feed import Entry, WatchFeed
from gateway.store.watch_partitions import LEASE_SECONDS, WatchPartitions
from tests.store.faults import FaultProxy
from tests.support.redis import RedisServer
from tests.support.redis_sets import ClusterSet

ALL = frozenset(range(PARTITIONS))
AGENT = "agt_1"
PLACE = partition_of(AGENT)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def replica(connection: Connection, name: str, clock: Callable[[], float] | None = None) -> WatchPartitions:
    return WatchPartitions(connection, replica=name, clock=clock or Clock(), keep_seconds=1000)


async def lose(connection: Connection, *partitions: int) -> None:
    """What three seconds of silence do."""
    for partition in partitions or ALL:
        await connection.execute("DEL", connection.keys.watch(partition, "lease"))


async def tell(connection: Connection, *texts: str, agent_id: str = AGENT) -> list[str]:
    feed = WatchFeed(connection)
    return [await feed.append(agent_id, {"do": text}) for text in texts]


def counted(record: Record | None, entries: list[Entry]) -> Record:
    """A record that has counted these entries."""
    record = record or new_record(AGENT, 1.0)
    record.state.calls += len(entries)
    return record


async def work(partitions: WatchPartitions) -> bool:
    """What a replica does with the entries of one partition, from what Redis has."""
    entries = await partitions.read(PLACE)
    if not entries:
        return False
    record = counted((await partitions.load([AGENT])).get(AGENT), entries)
    return await partitions.save(PLACE, entries[-1].id, [record], {})


async def calls(partitions: WatchPartitions) -> int:
    return (await partitions.load([AGENT]))[AGENT].state.calls


def of_place(count: int) -> list[str]:
    """So many agents of one partition."""
    found, number = [], 0
    while len(found) < count:
        number += 1
        if partition_of(f"agt_{number}") == PLACE:
            found.append(f"agt_{number}")
    return found


# Shares


async def test_one_replica_has_all_and_two_share(connection: Connection) -> None:
    one, other = replica(connection, "one"), replica(connection, "other")
    assert await one.hold(1) == one.held == ALL
    assert await one.hold(2) == ALL, "nobody wants any"
    assert await other.hold(2) == frozenset()
    kept = await one.hold(2)
    assert len(kept) == 4
    assert await one.hold(2) == kept, "what is offered is not taken back"
    assert await other.hold(2) == ALL - kept
    assert await one.hold(2) == kept


async def test_three_replicas_come_to_equal_shares_and_all_is_held(connection: Connection) -> None:
    many = [replica(connection, name) for name in ("one", "other", "third")]
    for _ in range(4):
        for some in many:
            await some.hold(3)
    assert sorted(len(some.held) for some in many) == [2, 3, 3]
    assert frozenset().union(*(some.held for some in many)) == ALL


async def test_what_nobody_takes_is_taken_back(connection: Connection) -> None:
    one, other = replica(connection, "one"), replica(connection, "other")
    await one.hold(1)
    await other.hold(2)
    offered = ALL - await one.hold(2)
    await lose(connection, *offered)
    await connection.execute("DEL", *(connection.keys.watch(number, "wanted") for number in ALL))
    assert await one.hold(2) == ALL


async def test_with_more_replicas_than_parts_the_others_wait(connection: Connection) -> None:
    many = [replica(connection, f"r{number}") for number in range(12)]
    for _ in range(3):
        for some in many:
            await some.hold(12)
    assert sorted(len(some.held) for some in many) in ([0] * 4 + [1] * 8, [0] * 11 + [8])
    assert frozenset().union(*(some.held for some in many)) == ALL


async def test_what_a_killed_replica_had_is_taken_over_within_three_and_a_half_seconds(connection: Connection) -> None:
    one, other = replica(connection, "one", time.monotonic), replica(connection, "other", time.monotonic)
    await one.hold(1)
    await other.hold(2)
    await one.hold(2)
    assert len(await other.hold(2)) == 4
    await one.hold(2)
    killed_at = time.monotonic()
    while len(await other.hold(2)) < PARTITIONS:  # which still counts the dead one
        await asyncio.sleep(0.1)
        assert time.monotonic() - killed_at < 10
    assert time.monotonic() - killed_at < 3.5 + 1.0  # the second is the machine's
    assert await one.hold(2) == frozenset()


async def test_what_is_released_at_the_end_can_be_had_at_once(connection: Connection) -> None:
    one, other = replica(connection, "one"), replica(connection, "other")
    await one.hold(1)
    await one.release()
    assert one.held == frozenset()
    assert await other.hold(2) == ALL


async def test_nobody_releases_what_is_anothers(connection: Connection) -> None:
    one, other = replica(connection, "one"), replica(connection, "other")
    await one.hold(1)
    await lose(connection)
    await other.hold(1)
    await one.release()
    assert await other.hold(1) == ALL


async def test_a_lease_that_was_lost_is_missing_once_even_if_it_is_free(connection: Connection) -> None:
    clock = Clock()
    one = replica(connection, "one", clock)
    await one.hold(1)
    await lose(connection, 0)
    assert await one.hold(1) == ALL - {0}
    assert await one.hold(1) == ALL
    clock.now += LEASE_SECONDS
    assert one.held == frozenset() == await one.hold(1)
    assert await one.hold(1) == ALL


async def test_without_redis_leases_last_as_long_as_they_last(own_redis: RedisServer) -> None:
    connection, clock = Connection(own_redis.url, op_timeout=2), Clock()
    one = replica(connection, "one", clock)
    await one.hold(1)
    own_redis.kill()
    assert await one.hold(1) == ALL
    clock.now += LEASE_SECONDS
    assert await one.hold(1) == frozenset()
    own_redis.start()
    await connection.reach()
    assert await one.hold(1) == ALL
    await connection.close()


# Entries and records


async def test_every_entry_is_read_in_order_and_once(connection: Connection) -> None:
    one = replica(connection, "one")
    assert await one.read(PLACE) == []
    await one.hold(1)
    ids = await tell(connection, "a", "b", "c")
    entries = await one.read(PLACE, count=2)
    assert entries == [Entry(ids[0], AGENT, order={"do": "a"}), Entry(ids[1], AGENT, order={"do": "b"})]
    assert await one.read(PLACE, count=2) == entries
    assert await one.save(PLACE, entries[-1].id, [counted(None, entries)], {})
    assert [entry.id for entry in await one.read(PLACE)] == ids[2:]
    assert await work(one)
    assert await calls(one) == 3 and await one.read(PLACE) == []


async def test_a_record_comes_back_as_it_was_saved_also_without_an_entry(connection: Connection) -> None:
    one, ids = replica(connection, "one"), of_place(100)
    await one.hold(1)
    records = [
        replace(
            new_record(agent_id, 5.0 + number),
            life=Life(agent_id, "HEALTHY", since=3.0),
            memory=Memory().begun("inc_1", "unknown", "throttle", 1.0),
            good=Good("p", "m", ("t",)),
        )
        for number, agent_id in enumerate(ids)
    ]
    assert await one.save(PLACE, None, records, {})
    assert await one.load([*ids, "agt_none"]) == {record.agent_id: record for record in records}
    assert await one.load([]) == {}
    assert not await connection.execute("KEYS", "*staged*")


async def test_caps_stay_until_there_are_others(connection: Connection) -> None:
    one, record = replica(connection, "one"), new_record(AGENT, 1.0)
    await one.hold(1)
    key = connection.keys.watched(AGENT)
    assert await one.save(PLACE, None, [record], {})
    assert await connection.execute("HGET", key, "p") is None
    assert await one.save(PLACE, None, [record], {AGENT: b'{"m":1}'})
    assert await one.save(PLACE, None, [record], {})
    assert await connection.execute("HGET", key, "p") == b'{"m":1}'


async def test_agents_about_which_something_is_to_be_done_are_kept_and_named(connection: Connection) -> None:
    one, record, key = replica(connection, "one"), new_record(AGENT, 1.0), connection.keys.watched(AGENT)
    await one.hold(1)
    assert await one.save(PLACE, None, [replace(record, life=Life(AGENT, "SUSPECTED"))], {})
    assert await one.busy(PLACE) == [AGENT]
    assert await connection.execute("TTL", key) == -1
    assert await one.save(PLACE, None, [record], {})
    assert await one.busy(PLACE) == []
    assert 990 < await connection.execute("TTL", key) <= 1000


async def test_what_was_looked_at_leaves_the_feed(connection: Connection) -> None:
    one, feed = replica(connection, "one"), connection.keys.watch(PLACE, "feed")
    await one.hold(1)
    await tell(connection, *map(str, range(400)))
    assert await work(one)
    assert int(await connection.execute("EVAL", "return redis.call('XLEN', KEYS[1])", 1, feed)) < 200


async def test_whoever_asked_for_something_hears_that_it_was_done(connection: Connection) -> None:
    one, asking = replica(connection, "one"), replica(connection, "asking", time.monotonic)
    await one.hold(1)
    first, second = await tell(connection, "a", "b")
    assert not await asking.passed(AGENT, first, 0.05)
    waiting = asyncio.create_task(asking.passed(AGENT, second, 5))
    assert await work(one)
    assert await waiting and await asking.passed(AGENT, first, 0)


async def test_whoever_asks_without_redis_hears_that_nobody_knows(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=0.2)
    asking = replica(connection, "asking", time.monotonic)
    own_redis.kill()
    assert not await asking.passed(AGENT, "1-0", 0.05)
    await connection.close()


# Faults


async def test_what_a_dead_replica_had_begun_is_done_by_the_next_and_counts_once(connection: Connection) -> None:
    one, other = replica(connection, "one"), replica(connection, "other")
    await one.hold(1)
    await tell(connection, "a", "b")
    assert await work(one)
    await tell(connection, "c")
    assert len(await one.read(PLACE)) == 1  # and dies
    await lose(connection)
    assert await other.hold(1) == ALL
    assert await work(other)
    assert await calls(other) == 3


async def test_a_replica_that_dies_in_the_middle_of_a_save_has_saved_nothing(connection: Connection) -> None:
    one, other, ids = replica(connection, "one"), replica(connection, "other"), of_place(100)
    await one.hold(1)
    await tell(connection, "a")
    entries = await one.read(PLACE)
    await one._stage("one.1", [new_record(agent_id, 1.0) for agent_id in ids], {})
    await lose(connection)
    await other.hold(1)
    assert await other.load(ids) == {}
    assert await other.read(PLACE) == entries
    staged = await connection.execute("KEYS", "*staged*")
    assert len(staged) == 100
    assert 0 < await connection.execute("TTL", staged[0]) <= 30


async def test_a_replica_that_lost_its_lease_writes_nothing(connection: Connection) -> None:
    one, other = replica(connection, "one"), replica(connection, "other")
    await one.hold(1)
    await tell(connection, "a")
    entries = await one.read(PLACE)
    await lose(connection)
    await other.hold(1)
    assert await work(other)
    assert not await one.save(PLACE, entries[-1].id, [counted(None, entries * 9)], {})
    assert PLACE not in one.held and await calls(other) == 1
    assert not await one.save(PLACE, None, [counted(None, entries)], {}), "it is not held any more"


async def test_a_replica_that_has_its_lease_again_writes_nothing_of_before(connection: Connection) -> None:
    one, other = replica(connection, "one"), replica(connection, "other")
    await one.hold(1)
    await tell(connection, "a")
    entries, stalled = await one.read(PLACE), dict(one._held)
    await lose(connection)
    await other.hold(1)
    assert await work(other)
    await other.release()
    await one.hold(1)
    await one.hold(1)
    one._held = stalled
    assert not await one.save(PLACE, entries[-1].id, [counted(None, entries)], {})
    await one.hold(1)
    assert await calls(one) == 1 and await one.read(PLACE) == []


async def test_a_save_that_comes_late_changes_nothing(connection: Connection) -> None:
    """As of one that was under way when its reply was given up, and reaches Redis after what came next."""
    one = replica(connection, "one")
    await one.hold(1)
    await tell(connection, "a", "b")
    entries = await one.read(PLACE)
    late = replace(one._held[PLACE])
    assert await work(one)
    await one._stage("late", [counted(None, entries * 9)], {})
    after = late.after(entries[-1].id)
    assert not await one._put_in_place(PLACE, late, after, entries[-1].id, "late", [counted(None, entries * 9)])
    assert await calls(one) == 2


@pytest.mark.parametrize("replies_before", [0, 1, 2, 3])
async def test_a_save_of_which_a_reply_is_lost_counts_once_whether_it_was_written_or_not(
    own_redis: RedisServer, replies_before: int
) -> None:
    """To what is laid aside, twice as Redis does not know the script at first, or to the save itself, twice as well."""
    async with FaultProxy(own_redis.url) as proxy:
        connection = Connection(f"redis://127.0.0.1:{proxy.port}", op_timeout=2, lanes=1)
        one = replica(connection, "one")
        await connection.reach()
        await one.hold(1)
        await tell(connection, "a", "b")
        entries = await one.read(PLACE)
        proxy.fault, proxy.after = "cut", replies_before
        assert not await one.save(PLACE, entries[-1].id, [counted(None, entries)], {})
        assert proxy.spoiled and PLACE not in one.held
        proxy.fault = ""
        await connection.reach()
        assert await one.hold(1) == ALL
        assert await work(one) is (replies_before < 3)
        assert await calls(one) == 2
        await connection.close()


async def test_a_save_that_a_stalled_redis_carries_out_later_counts_once(own_redis: RedisServer) -> None:
    connection, patient = Connection(own_redis.url, op_timeout=0.3), Connection(own_redis.url, op_timeout=5)
    one, other = replica(connection, "one"), replica(patient, "other")
    await connection.reach()
    await one.hold(1)
    await tell(connection, "a", "b")
    entries = await one.read(PLACE)
    own_redis.freeze()
    assert not await one.save(PLACE, entries[-1].id, [counted(None, entries)], {})
    own_redis.thaw()
    await patient.reach()
    await lose(patient)
    await other.hold(1)
    await work(other)
    assert await calls(other) == 2
    await asyncio.gather(connection.close(), patient.close())


async def test_a_redis_that_comes_back_empty_is_begun_with_anew(connection: Connection) -> None:
    one = replica(connection, "one")
    await one.hold(1)
    await tell(connection, "a")
    assert await work(one)
    await tell(connection, "b")
    entries = await one.read(PLACE)
    await connection.execute("FLUSHALL")
    assert not await one.save(PLACE, entries[-1].id, [counted(None, entries)], {})
    await one.hold(1)
    assert await one.hold(1) == ALL
    await tell(connection, "c")
    assert await work(one)
    assert await calls(one) == 1


async def test_what_redis_refuses_is_logged(connection: Connection, caplog: pytest.LogCaptureFixture) -> None:
    one, keys = replica(connection, "one"), connection.keys
    await connection.execute("HSET", keys.watch(0, "lease"), "no", "string")
    assert await one.hold(1) == ALL - {0}
    await connection.execute("HSET", keys.watch(PLACE, "busy"), "no", "set")
    assert not await one.save(PLACE, None, [new_record(AGENT, 1.0)], {})
    assert caplog.text.count("Redis refused what watching agents takes") >= 2


async def test_reading_without_redis_says_so(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=2)
    one = replica(connection, "one")
    await one.hold(1)
    own_redis.kill()
    for asked in (one.read(PLACE), one.load([AGENT]), one.busy(PLACE)):
        try:
            await asked
        except StoreUnavailable:
            continue
        raise AssertionError("Redis is away")
    await connection.close()


async def test_it_works_in_a_cluster(shared_cluster: ClusterSet) -> None:
    connection = Connection(shared_cluster.url, op_timeout=5)
    await connection.reach()
    one = replica(connection, "one")
    assert await one.hold(1) == ALL
    await tell(connection, "a")
    assert await work(one)
    assert await calls(one) == 1
    await one.release()
    await connection.close()
