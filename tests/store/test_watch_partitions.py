"""Two replicas that share the agents, on a real Redis; one of them stops, stalls or loses what it had."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from gateway.immune.finding import Finding
from gateway.immune.record import Record, new_record
from gateway.store.connection import Connection
from gateway.store.keys import PARTITIONS, partition_of
from gateway.store.watch_feed import Entry, WatchFeed
from gateway.store.watch_partitions import LEASE_SECONDS, WatchPartitions
from tests.support.redis import RedisServer

ALL = frozenset(range(PARTITIONS))
AGENT = "agt_1"
PLACE = partition_of(AGENT)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def replica(connection: Connection, name: str, clock: Callable[[], float] | None = None) -> WatchPartitions:
    return WatchPartitions(connection, replica=name, clock=clock or Clock())


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


async def work(partitions: WatchPartitions, *, dies: bool = False) -> bool:
    """What a replica does with the entries of one partition."""
    entries = await partitions.read(PLACE)
    record = counted((await partitions.load([AGENT])).get(AGENT), entries)
    if dies or not entries:
        return False
    return await partitions.save(PLACE, entries[-1].id, [record], {})


async def calls(partitions: WatchPartitions) -> int:
    return (await partitions.load([AGENT]))[AGENT].state.calls


async def test_one_replica_has_all_and_two_share(connection: Connection) -> None:
    one, other = replica(connection, "one"), replica(connection, "other")
    assert await one.hold(1) == one.held == ALL
    assert await other.hold(2) == frozenset()
    kept = await one.hold(2)
    assert len(kept) == 4
    assert await other.hold(2) == ALL - kept
    assert await one.hold(2) == kept


async def test_every_entry_is_read_in_order_and_once(connection: Connection) -> None:
    one = replica(connection, "one")
    await one.hold(1)
    ids = await tell(connection, "a", "b", "c")
    entries = await one.read(PLACE, count=2)
    assert [(entry.id, entry.agent_id, entry.order) for entry in entries] == [
        (ids[0], AGENT, {"do": "a"}),
        (ids[1], AGENT, {"do": "b"}),
    ]
    assert await one.read(PLACE, count=2) == entries
    assert await one.save(PLACE, entries[-1].id, [counted(None, entries)], {AGENT: b"{}"})
    assert [entry.id for entry in await one.read(PLACE)] == ids[2:]
    assert await work(one)
    assert await calls(one) == 3 and await one.read(PLACE) == []


async def test_what_a_dead_replica_had_begun_is_done_by_the_next_and_counts_once(connection: Connection) -> None:
    one, other = replica(connection, "one"), replica(connection, "other")
    await one.hold(1)
    await tell(connection, "a", "b")
    assert await work(one)
    await tell(connection, "c")
    await work(one, dies=True)
    await lose(connection)
    assert await other.hold(1) == ALL
    assert await work(other)
    assert await calls(other) == 3


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
