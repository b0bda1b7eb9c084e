"""System prompts of agents: kept encrypted, four of each, the good one among them."""

import asyncio
import os

import orjson
import pytest

from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.prompts import LONGEST, Prompts
from gateway.store.sealed import Seal
from gateway.store.watched_agents import WatchedAgents
from tests.support.redis import RedisServer

ROOT = b"a secret of the deployment"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def prompts(connection: Connection, clock: Clock | None = None, root: bytes = ROOT) -> Prompts:
    return Prompts(connection, Seal(root, "prompts", os.urandom), keep_seconds=3600, clock=clock or Clock())


async def kept(connection: Connection) -> int | None:
    try:
        return int(await connection.execute("ZCARD", connection.keys.prompts("agt_1")))
    except StoreUnavailable:
        return None


async def keys(connection: Connection) -> list[str]:
    return sorted(key.decode() for key in (await connection.execute("SCAN", "0", "COUNT", "1000"))[1])


async def test_a_prompt_is_found_at_every_worker_and_stored_as_no_text(connection: Connection) -> None:
    one, other = prompts(connection), prompts(connection)
    text = "You are a pirate. \u2028 \U0001f3f4"
    one.note("agt_1", "h1", text)
    assert await one.get("agt_1", "h1") == text and await one.has("agt_1", "h1")
    await one.flush()
    assert await other.get("agt_1", "h1") == text and await other.has("agt_1", "h1")
    assert not await other.has("agt_2", "h1") and await other.get("agt_2", "h1") is None
    assert b"pirate" not in await connection.execute("GET", connection.keys.prompt("agt_1", "h1"))
    for key in await keys(connection):  # those of prompts; a probe's is over sooner
        assert "prompt" not in key or 3500 < await connection.execute("TTL", key) <= 3600


async def test_what_was_moved_or_is_of_another_deployment_is_none(connection: Connection) -> None:
    mine = prompts(connection)
    mine.note("agt_1", "h1", "text")
    await mine.flush()
    assert await prompts(connection, root=b"another one").get("agt_1", "h1") is None
    sealed = await connection.execute("GET", connection.keys.prompt("agt_1", "h1"))
    await connection.execute("SET", connection.keys.prompt("agt_1", "h2"), sealed)
    assert await mine.get("agt_1", "h2") is None


async def test_the_last_four_are_kept_and_the_good_one(connection: Connection) -> None:
    mine = prompts(connection)
    good = orjson.dumps([{"prompt": "h1", "model": "m", "tools": []}, 1.0])
    await connection.execute("HSET", connection.keys.watched("agt_1"), "g", good)
    for number in range(7):
        for agent in ("agt_1", "agt_2"):
            mine.note(agent, f"h{number}", f"prompt {number}")
        await mine.flush()
        await asyncio.sleep(0.002)  # they are told apart by the millisecond
    for agent, expected in (("agt_1", [1, 4, 5, 6]), ("agt_2", [3, 4, 5, 6])):
        assert [number for number in range(7) if await mine.has(agent, f"h{number}")] == expected
        assert await connection.execute("ZCARD", connection.keys.prompts(agent)) == 4
        assert [mine.knows(agent, f"h{number}") for number in range(7)] == [number in expected for number in range(7)]
    await connection.execute("HSET", connection.keys.watched("agt_2"), "g", "{")
    mine.note("agt_2", "h9", "text")
    await mine.flush()
    assert await connection.execute("ZCARD", connection.keys.prompts("agt_2")) == 4
    await WatchedAgents(connection).forget("agt_1")
    assert not [key for key in await keys(connection) if "agt_1" in key and "prompt" in key]


async def test_it_is_noted_again_before_it_is_forgotten(connection: Connection) -> None:
    clock = Clock()
    mine = prompts(connection, clock)
    assert not mine.knows("agt_1", "h1")
    mine.note("agt_1", "h1", "text")
    clock.now += 359
    assert mine.knows("agt_1", "h1")
    clock.now += 1
    assert not mine.knows("agt_1", "h1")


async def test_too_long_ones_are_not_kept_and_not_asked_for_again(connection: Connection) -> None:
    mine = prompts(connection)
    mine.note("agt_1", "h1", "x" * LONGEST)
    mine.note("agt_1", "h2", "\u20ac" * (LONGEST // 3 + 1))
    mine.note("agt_1", "h3", "x" * (LONGEST - 1))
    await mine.flush()
    assert [await mine.has("agt_1", f"h{n}") for n in (1, 2, 3)] == [False, False, True]
    assert mine.knows("agt_1", "h1") and mine.knows("agt_1", "h2")


async def test_it_is_written_by_itself_also_after_redis_was_away(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url)
    mine = prompts(connection)
    own_redis.kill()
    for number in range(300):
        mine.note("agt_1", f"h{number}", "text")
    assert mine.knows("agt_1", "h255") and not mine.knows("agt_1", "h256")  # that one is to be noted again
    assert not await mine.flush()
    with pytest.raises(StoreUnavailable):
        await mine.get("agt_1", "h999")
    own_redis.start()
    running = asyncio.create_task(mine.run())
    async with asyncio.timeout(20):
        while await kept(connection) != 4:
            await asyncio.sleep(0.05)
    running.cancel()
    await connection.close()


async def test_what_redis_refuses_is_dropped(connection: Connection) -> None:
    mine = prompts(connection)
    await connection.execute("SET", connection.keys.prompts("agt_1"), "no set")
    mine.note("agt_1", "h1", "text")
    assert await mine.flush()
    mine.note("agt_2", "h1", "text")
    assert await mine.flush() and await mine.has("agt_2", "h1")
