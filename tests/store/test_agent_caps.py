"""How large answers may become, as it is left in Redis and known in memory."""

import asyncio
from zlib import crc32

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
    assert caps.of("agt_1", "m") == Caps(2000, 120.5, 20)
    assert caps.of("agt_1", "n" * 99) == Caps(None, None, 7)
    assert caps.of("agt_1", None) == caps.of("agt_1", "other") == NONE
    await keep(connection, "agt_1", {"m": [3000, 130, 20]})
    assert not caps._wanted
    await caps.flush()
    clock.now += FRESH_SECONDS
    assert caps.of("agt_1", "m").output_tokens == 2000
    await caps.flush()
    assert caps.of("agt_1", "m") == Caps(3000, 130, 20)


async def test_what_is_not_known_of_an_agent_is_what_no_other_exceeds(connection: Connection) -> None:
    clock = Clock()
    caps = AgentCaps(connection, clock=clock)
    await keep(connection, "agt_1", {"m": [500, None, None], "n": [1, None, None]})
    await keep(connection, "agt_2", {"m": [2000, 120.0, None]})
    await keep(connection, "agt_3", {"m": [1000, 240.5, 30], "n": [None, None, None]})
    for _ in range(2):
        for agent in ("agt_1", "agt_2", "agt_3", "agt_4"):
            caps.of(agent, "m")
        await caps.flush()
        clock.now += FRESH_SECONDS
    assert caps.of("agt_1", "m") == Caps(500)  # its own are known
    assert caps.of("agt_4", "m") == Caps(2000, 240.5, 30, fleets=True)
    *row, agents = orjson.loads(await connection.execute("HGET", connection.keys.fleet("caps"), "m"))
    assert row == [2000, 240.5, 30] and agents.bit_count() == 3
    assert caps.of("agt_4", "n") == NONE  # of two agents too little is known


async def test_of_the_fleet_is_kept_what_another_version_reads(connection: Connection) -> None:
    caps = AgentCaps(connection, clock=Clock())
    rows = {"m": b"[5,6,7,7]", "n": b"[5,6,7]", "o": b"{", "p": b'["x",6,7,7]'}
    await connection.execute("HSET", connection.keys.fleet("caps"), *(part for pair in rows.items() for part in pair))
    caps.of("agt_1", "m")
    await caps.flush()
    assert [caps.of("agt_1", model) for model in "mnop"] == [Caps(5, 6, 7, True), NONE, NONE, NONE]


async def test_the_fleets_are_of_a_thousand_models(connection: Connection) -> None:
    clock = Clock()
    caps = AgentCaps(connection, clock=clock)
    for kept in ({f"m{n}": [1, None, None] for n in range(1001)}, {"m0": [2, None, None]}):
        await keep(connection, "agt_1", kept)
        caps.of("agt_1", "m")
        await caps.flush()
        clock.now += FRESH_SECONDS
    assert await connection.execute("HLEN", connection.keys.fleet("caps")) == 1000
    assert await connection.execute("HGET", connection.keys.fleet("caps"), "m0") == b"[2,null,null,%d]" % (
        1 << crc32(b"agt_1") % 16
    )


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
    kept = agent_caps(state)
    rows = orjson.loads(kept)
    ((model, row),) = rows.items()
    await connection.execute("HSET", connection.keys.watched("agt_1"), "p", kept)
    caps = AgentCaps(connection, clock=Clock())
    running = asyncio.create_task(caps.run())
    async with asyncio.timeout(10):
        while caps.of("agt_1", model) == NONE:
            await asyncio.sleep(0.001)
    assert caps.of("agt_1", model) == Caps(*row)
    running.cancel()
