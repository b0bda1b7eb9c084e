import asyncio

import pytest

from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.immune_counts import ImmuneCounts
from tests.store.test_watch_partitions import Clock
from tests.support.redis import RedisServer


async def test_replicas_add_to_the_same_counts_and_read_them_two_seconds_old(connection: Connection) -> None:
    clock = Clock()
    one, other = ImmuneCounts(connection, clock=clock), ImmuneCounts(connection, clock=clock)
    assert await other.read() == {}
    await asyncio.gather(*(one.add("healed:unknown:throttle") for _ in range(3)))
    assert await one.read() == {"healed:unknown:throttle": 3} and await other.read() == {}
    clock.now += 2
    assert await other.read() == {"healed:unknown:throttle": 3}


async def test_the_same_thing_counts_once(connection: Connection) -> None:
    one, other = (ImmuneCounts(connection, clock=Clock()) for _ in range(2))
    for counts in (one, other, one):
        await counts.add("failed:unknown:throttle", once="inc_1")
    await other.add("failed:unknown:throttle", once="inc_2")
    await other.add("failed:unknown:swap_model", once="inc_1")
    assert await other.read() == {"failed:unknown:throttle": 2, "failed:unknown:swap_model": 1}


async def test_what_is_remembered_is_bounded(connection: Connection) -> None:
    counts, keys = ImmuneCounts(connection, clock=Clock()), connection.keys
    await connection.execute("ZADD", keys.immune_counted, *(part for n in range(1005) for part in (n, f"t{n}")))
    await counts.add("a", once="new")
    assert await connection.execute("ZCARD", keys.immune_counted) == 1000
    assert await connection.execute("ZSCORE", keys.immune_counted, "a:new") is not None
    await connection.execute("HSET", keys.immune_counts, *(part for n in range(9_999) for part in (f"f{n}", 1)))
    await counts.add("one more")
    await counts.add("a")
    read = await counts.read()
    assert len(read) == 10_000 and "one more" not in read and read["a"] == 2


async def test_without_redis_they_are_as_they_were_last(own_redis: RedisServer) -> None:
    connection, clock = Connection(own_redis.url, op_timeout=0.5), Clock()
    counts = ImmuneCounts(connection, clock=clock)
    await counts.add("a")
    assert await counts.read() == {"a": 1}
    own_redis.kill()
    clock.now += 60
    assert await counts.read() == {"a": 1}
    with pytest.raises(StoreUnavailable):
        await counts.add("a")
    await connection.close()


async def test_only_what_was_counted_for_a_thing_is_taken_back_and_once(connection: Connection) -> None:
    counts = ImmuneCounts(connection, clock=Clock())
    for thing in ("inc_1", "inc_2"):
        await counts.add("actual:tool_loop:unknown", thing)
    for thing in ("inc_1", "inc_1", "inc_9"):
        await counts.take("actual:tool_loop:unknown", thing)
    assert await counts.read() == {"actual:tool_loop:unknown": 1}
    await counts.add("actual:tool_loop:unknown", "inc_1")
    assert await counts.read() == {"actual:tool_loop:unknown": 2}
