import asyncio
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.immune.finding import Finding
from gateway.model.vitals import Vitals
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.keys import PARTITIONS, partition_of
from gateway.store.watch_feed import Entry, WatchFeed, read_entry
from tests.store.faults import FaultProxy
from tests.store.test_agents import EXCHANGE
from tests.support.redis import RedisServer

FOUND = Finding("tool_loop", "identical", None, 5.5, "agt_1", "req_1", "gpt-5", "conv_1", True, {"tool": "ls", "n": 4})


async def entries(connection: Connection, agent_id: str = "agt_1") -> list[Entry]:
    key = connection.keys.watch(partition_of(agent_id), "feed")
    return [read_entry(*row) for row in await connection.execute("XRANGE", key, "-", "+")]


async def test_what_is_told_is_read_in_order_as_it_was_told(connection: Connection) -> None:
    feed = WatchFeed(connection)
    feed.vitals(EXCHANGE)
    feed.finding(FOUND)
    feed.order("agt_1", {"do": "accept"})
    assert feed.pending == 3
    assert await feed.flush() and feed.pending == 0
    asked = await feed.append("agt_1", {"do": "accept", "by": "adk_1"})
    first, second, third, fourth = await entries(connection)
    assert (first.vitals, second.finding, third.order) == (EXCHANGE, FOUND, {"do": "accept"})
    assert fourth == Entry(asked, "agt_1", order={"do": "accept", "by": "adk_1"})
    assert first.finding is first.order is second.vitals is None


async def test_each_agent_has_one_place_and_all_places_are_used(connection: Connection) -> None:
    feed, agents = WatchFeed(connection), [f"agt_{number}" for number in range(200)]
    for agent_id in agents:
        feed.vitals(replace(EXCHANGE, agent_id=agent_id))
    assert await feed.flush()
    assert {partition_of(agent_id) for agent_id in agents} == set(range(PARTITIONS))
    assert sorted(entry.agent_id for entry in await entries(connection)) == sorted(
        agent_id for agent_id in agents if partition_of(agent_id) == partition_of("agt_1")
    )


async def test_a_batch_of_which_the_reply_is_lost_is_written_once(own_redis: RedisServer) -> None:
    async with FaultProxy(own_redis.url) as proxy:
        connection = Connection(f"redis://127.0.0.1:{proxy.port}", op_timeout=2, lanes=1)
        await connection.reach()
        feed = WatchFeed(connection)
        feed.vitals(EXCHANGE)
        assert await feed.flush()
        for number in range(1, 600):
            feed.vitals(replace(EXCHANGE, request_id=f"req_{number}"))
        proxy.fault = "cut"
        assert not await feed.flush() and proxy.spoiled
        feed.vitals(replace(EXCHANGE, request_id="req_600"))
        proxy.fault = ""
        await connection.reach()
        assert await feed.flush() and feed.pending == feed.dropped == 0
        found = [entry.vitals.request_id for entry in await entries(connection) if entry.vitals]
        assert found == ["req_1" if number == 0 else f"req_{number}" for number in range(601)]
        await connection.close()


async def test_a_redis_that_was_away_gets_all_of_it(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=2)
    await connection.reach()
    feed = WatchFeed(connection, interval=0.01)
    running = asyncio.create_task(feed.run())
    own_redis.kill()
    for number in range(10):
        feed.vitals(replace(EXCHANGE, request_id=f"req_{number}"))
        await asyncio.sleep(0.01)
    own_redis.start()
    await connection.reach()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert feed.pending == 0
    assert [entry.vitals.request_id for entry in await entries(connection) if entry.vitals] == [
        f"req_{number}" for number in range(10)
    ]
    await connection.close()


async def test_what_cannot_be_kept_is_counted(connection: Connection) -> None:
    feed = WatchFeed(connection, max_pending=5)
    for _ in range(7):
        feed.vitals(EXCHANGE)
    assert (feed.pending, feed.dropped) == (5, 2)
    assert await feed.flush()
    feed.order("agt_1", {"do": "x" * 20_000})
    assert (feed.pending, feed.dropped) == (0, 3)
    feed.finding(replace(FOUND, detail={"text": "x" * 20_000}))
    assert await feed.flush()
    assert (await entries(connection))[-1].finding == replace(FOUND, detail={})


async def test_nobody_hides_behind_long_names(connection: Connection) -> None:
    feed = WatchFeed(connection)
    feed.vitals(replace(EXCHANGE, model="m" * 50_000, tool_calls=900, tool_names=("t" * 300,) * 900))
    feed.finding(replace(FOUND, model="m" * 50_000, conversation="\ud800" * 50_000, hard=True))
    assert await feed.flush() and feed.dropped == 0
    exchange, finding = [(entry.vitals, entry.finding) for entry in await entries(connection)][-2:]
    assert exchange[0] is not None and exchange[0].tool_calls == 900 and len(exchange[0].tool_names) == 64
    assert finding[1] is not None and finding[1].hard and finding[1].model == "m" * 200


async def test_what_redis_refuses_is_counted_and_keeps_nobody(connection: Connection) -> None:
    feed = WatchFeed(connection)
    await connection.execute("SET", connection.keys.watch(partition_of("agt_1"), "feed"), "no stream")
    feed.vitals(EXCHANGE)
    assert await feed.flush()
    assert (feed.pending, feed.dropped) == (0, 1)


async def test_an_order_that_cannot_be_given_at_once_says_so(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=0.5)
    feed = WatchFeed(connection)
    with pytest.raises(ValueError, match="at most 16384"):
        await feed.append("agt_1", {"do": "x" * 20_000})
    own_redis.kill()
    with pytest.raises(StoreUnavailable):
        await feed.append("agt_1", {"do": "accept"})
    await connection.close()


async def test_writers_are_bounded_and_the_one_silent_for_longest_is_forgotten(connection: Connection) -> None:
    key = connection.keys.watch(partition_of("agt_1"), "writers")
    first = WatchFeed(connection)
    first.vitals(EXCHANGE)
    await first.flush()
    await connection.execute("HSET", key, *(part for n in range(63) for part in (f"w{n}", f"1 {10**15 + n}")))
    last = WatchFeed(connection)
    last.vitals(EXCHANGE)
    await last.flush()
    kept = await connection.execute("HGETALL", key)
    names = set(kept[::2])
    assert len(names) == 64 and last._writer.encode() in names and first._writer.encode() not in names


def test_an_entry_of_another_version_is_only_passed() -> None:
    for kind, row in ((b"x", b"{}"), (b"f", b'{"new": 1}'), (b"v", b"[]"), (b"o", b"{")):
        assert read_entry(b"1-0", [b"a", b"agt_1", kind, row]) == Entry("1-0", "agt_1")
    newer = b'{"type":"drift","metric":"m","deviation":1.0,"at":2.0,"agent_id":"agt_1","request_id":"r","later":1}'
    assert read_entry(b"1-0", [b"a", b"agt_1", b"f", newer]).finding == Finding("drift", "m", 1.0, 2.0, "agt_1", "r")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.characters(codec=None), max_size=30),
    number=st.one_of(st.integers(), st.floats(allow_nan=False)),
)
async def test_whatever_callers_name_things_is_told_and_read(connection: Connection, text: str, number: float) -> None:
    feed = WatchFeed(connection)
    feed.vitals(replace(EXCHANGE, model=text, tool_names=(text,)))
    feed.finding(replace(FOUND, model=text, detail={text: text, "n": number, "l": [text, (number,)]}))
    feed.order("agt_1", {"do": text})
    assert await feed.flush() and feed.dropped == 0
    kept = text.encode("utf-8", "replace").decode()
    vitals, finding, order = (await entries(connection))[-3:]
    assert isinstance(vitals.vitals, Vitals) and vitals.vitals.model == kept[:200]
    assert finding.finding is not None and finding.finding.model == kept
    assert order.order == {"do": kept}
