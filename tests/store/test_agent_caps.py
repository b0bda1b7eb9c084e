"""How large answers may become, as it is left in Redis and known in memory."""

import asyncio

import orjson

from gateway.immune.caps import NONE, Caps, agent_caps
from gateway.immune.state import Watched, short
from gateway.immune.watched import watch
from gateway.store.agent_caps import FRESH_SECONDS, AgentCaps
from gateway.store.connection import Connection
from tests.immune.exchanges import exchange
from tests.support.redis import RedisServer


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def keep(connection: Connection, agent_id: str, kept: object) -> None:
    await connection.execute("HSET", connection.keys.watched(agent_id), "p", orjson.dumps(kept))


async def test_they_are_there_for_the_next_answer_and_read_again_only_when_old(connection: Connection) -> None:
    clock = Clock()
    caps = AgentCaps(connection, clock=clock)
    await keep(connection, "agt_1", {"m": [2000, 120.5, 20], short("n" * 99): [None, None, 7]})
    assert caps.of("agt_1", "m") == NONE
    await caps.flush()
    trips = connection.trips
    assert caps.of("agt_1", "m") == Caps(2000, 120.5, 20)
    assert caps.of("agt_1", "n" * 99) == Caps(None, None, 7)
    assert caps.of("agt_1", None) == caps.of("agt_1", "other") == NONE
    await keep(connection, "agt_1", {"m": [3000, None, None]})
    trips = connection.trips
    await caps.flush()
    assert connection.trips == trips
    clock.now += FRESH_SECONDS
    assert caps.of("agt_1", "m").output_tokens == 2000
    await caps.flush()
    assert caps.of("agt_1", "m") == Caps(3000, None, None)


async def test_what_is_not_known_of_an_agent_is_the_fleets(connection: Connection) -> None:
    clock = Clock()
    caps = AgentCaps(connection, clock=clock)
    await caps.widen({"m": (2000, 120.0, None), "n": (1, None, None)})
    await caps.widen({"m": (1000, 240.5, 30), "n": (None, None, None)})
    await caps.widen({})
    await keep(connection, "agt_1", {"m": [500, None, None]})
    for agent in ("agt_1", "agt_2"):
        caps.of(agent, "m")
    await caps.flush()
    assert caps.of("agt_1", "m") == Caps(500, 240.5, 30)
    assert caps.of("agt_2", "m") == Caps(2000, 240.5, 30)
    assert caps.of("agt_2", "n") == Caps(1, None, None)


async def test_the_fleets_are_of_a_thousand_models(connection: Connection) -> None:
    caps = AgentCaps(connection, clock=Clock())
    await caps.widen({f"m{n}": (1, None, None) for n in range(1001)})
    assert await connection.execute("HLEN", connection.keys.fleet("caps")) == 1000
    await caps.widen({"m0": (2, None, None)})
    assert await connection.execute("HGET", connection.keys.fleet("caps"), "m0") == b"[2,null,null]"


async def test_what_another_version_wrote_is_no_limit(connection: Connection) -> None:
    caps = AgentCaps(connection, clock=Clock())
    await keep(connection, "agt_1", {"m": [1], "n": "x", "o": [1, 2, "3"], "p": [5, 6, 7]})
    await keep(connection, "agt_2", [1])
    await connection.execute("HSET", connection.keys.watched("agt_3"), "p", "{")
    agents = ("agt_1", "agt_2", "agt_3", "agt_4")
    for agent in agents:
        caps.of(agent, "m")
    await caps.flush()
    assert [caps.of(agent, "m") for agent in agents] == [NONE] * 4
    assert caps.of("agt_1", "n") == caps.of("agt_1", "o") == NONE
    assert caps.of("agt_1", "p") == Caps(5, 6, 7)


async def test_those_used_last_are_remembered(connection: Connection) -> None:
    caps = AgentCaps(connection, clock=Clock(), most=2)
    for agent in ("agt_1", "agt_2", "agt_3"):
        await keep(connection, agent, {"m": [5, None, None]})
        caps.of(agent, "m")
        await caps.flush()
    assert caps.of("agt_3", "m") == caps.of("agt_2", "m") == Caps(5)
    assert caps.of("agt_1", "m") == NONE


async def test_without_redis_what_was_known_holds(own_redis: RedisServer) -> None:
    clock, connection = Clock(), Connection(own_redis.url)
    caps = AgentCaps(connection, clock=clock)
    await keep(connection, "agt_1", {"m": [5, None, None]})
    caps.of("agt_1", "m")
    await caps.flush()
    own_redis.kill()
    clock.now += FRESH_SECONDS
    caps.of("agt_1", "m")
    await caps.flush()
    assert caps.of("agt_1", "m") == Caps(5)
    await connection.close()


async def test_they_are_read_by_themselves_as_the_watcher_writes_them(connection: Connection) -> None:
    state = Watched()
    for place in range(60):
        watch(state, exchange(place))
    rows = agent_caps(state)
    ((model, row),) = rows.items()
    await keep(connection, "agt_1", rows)
    caps = AgentCaps(connection, clock=Clock())
    await caps.widen(rows)
    running = asyncio.create_task(caps.run())
    async with asyncio.timeout(10):
        while caps.of("agt_1", model) == NONE:
            await asyncio.sleep(0.001)
    assert caps.of("agt_1", model) == Caps(*row) == caps.of("agt_2", model) != NONE
    running.cancel()
