"""Conversations that go on by an answer's id, at whatever worker."""

import asyncio
from collections.abc import AsyncIterator

from gateway.store.chains import Chains
from gateway.store.connection import Connection
from tests.support.redis import RedisServer


async def test_an_answer_is_found_by_another_worker_for_its_own_agent(connection: Connection) -> None:
    one, other = Chains(connection), Chains(connection)
    for number in range(600):
        one.remember("agt_1", f"resp_{number}", f"cnv {number}", number)
    await one.flush()
    assert await other.find("agt_1", "resp_599") == ("cnv 599", 599)
    assert await other.find("agt_2", "resp_599") is None
    (key,) = [k async for k in _keys(connection)][:1]
    assert 3500 < await connection.execute("TTL", key) <= 3600


async def _keys(connection: Connection) -> AsyncIterator[bytes]:
    for key in (await connection.execute("SCAN", "0", "COUNT", "1"))[1]:
        yield key


async def test_what_is_remembered_is_written_by_itself(connection: Connection) -> None:
    chains = Chains(connection)
    running = asyncio.create_task(chains.run())
    chains.remember("agt_1", "\ud800" * 5000, "c", 1)
    async with asyncio.timeout(10):
        while await chains.find("agt_1", "\ud800" * 5000) is None:
            await asyncio.sleep(0.01)
    running.cancel()


async def test_without_redis_nothing_is_found_and_nothing_fails(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url)
    chains = Chains(connection)
    own_redis.kill()
    chains.remember("agt_1", "resp_1", "c", 1)
    await chains.flush()
    assert await chains.find("agt_1", "resp_1") is None
    await connection.close()
