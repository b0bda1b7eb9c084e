"""Calls that were withheld in an answer, known at whatever worker."""

import asyncio

from gateway.store.connection import Connection
from gateway.store.withheld import Withheld
from tests.support.redis import RedisServer


async def test_what_was_withheld_is_found_by_another_worker_for_its_own_agent(connection: Connection) -> None:
    one, other = Withheld(connection), Withheld(connection)
    for number in range(200):
        one.remember("agt_1", f"resp_{number}", b"%d" % number)
    await one.flush()
    assert await other.find("agt_1", "resp_199") == b"199"
    assert await other.find("agt_2", "resp_199") is None
    keys = (await connection.execute("SCAN", "0", "COUNT", "1"))[1]
    assert 3500 < await connection.execute("TTL", keys[0]) <= 3600


async def test_it_is_written_by_itself(connection: Connection) -> None:
    withheld = Withheld(connection)
    running = asyncio.create_task(withheld.run())
    withheld.remember("agt_1", "\ud800" * 5000, b"x")
    async with asyncio.timeout(10):
        while await withheld.find("agt_1", "\ud800" * 5000) is None:
            await asyncio.sleep(0.01)
    running.cancel()


async def test_without_redis_nothing_is_found_and_nothing_fails(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url)
    withheld = Withheld(connection)
    own_redis.kill()
    withheld.remember("agt_1", "resp_1", b"x")
    await withheld.flush()
    assert await withheld.find("agt_1", "resp_1") is None
    await connection.close()
