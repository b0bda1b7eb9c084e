"""Whether an agent has read results of tools lately, on any replica."""

import time

import pytest

from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.results_seen import LIFE_SECONDS, ResultsSeen
from tests.support.redis import RedisServer


async def test_a_session_that_read_a_result_is_known_on_every_replica(connection: Connection) -> None:
    one, other = (ResultsSeen(connection, clock=time.monotonic) for _ in range(2))
    await one.note("agt_1", "monday")
    assert await other.any("agt_1", "monday")
    assert not await other.any("agt_1", "tuesday") and not await other.any("agt_2", "monday")
    (key,) = (await connection.execute("SCAN", "0", "COUNT", "1000"))[1]
    assert 0 < await connection.execute("TTL", key) <= LIFE_SECONDS
    assert b"monday" not in b"".join(await connection.execute("HKEYS", key))


async def test_whoever_does_not_name_a_session_may_be_in_any(connection: Connection) -> None:
    seen = ResultsSeen(connection, clock=time.monotonic)
    assert not await seen.any("agt_1", None)
    await seen.note("agt_1", "monday")
    assert await seen.any("agt_1", None) and await seen.any("agt_1", "")
    await seen.note("agt_2", None)
    assert await seen.any("agt_2", "monday")


async def test_noting_it_again_costs_nothing_for_a_while(connection: Connection) -> None:
    now = 0.0
    seen = ResultsSeen(connection, clock=lambda: now)
    await seen.note("agt_1", "monday")
    await connection.execute("FLUSHALL")
    await seen.note("agt_1", "monday")
    assert not await seen.any("agt_1", "monday")
    now = 601.0
    await seen.note("agt_1", "monday")
    assert await seen.any("agt_1", "monday")


async def test_of_more_sessions_than_are_kept_apart_all_have_read_something(connection: Connection) -> None:
    await connection.script("note_results", [connection.keys.results("agt_1")], [60, 2, "a", "b", "c"])
    assert await ResultsSeen(connection, clock=time.monotonic).any("agt_1", "never heard of")


async def test_without_redis_nobody_can_say(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=0.5)
    seen = ResultsSeen(connection, clock=time.monotonic)
    await seen.note("agt_1", "monday")
    own_redis.kill()
    with pytest.raises(StoreUnavailable):
        await seen.any("agt_1", "monday")
    with pytest.raises(StoreUnavailable):
        await seen.note("agt_1", "tuesday")
    await connection.close()
