"""Which calls agents were given or refused, for every replica."""

import asyncio
import time
from collections.abc import Callable

from gateway.store.connection import Connection
from gateway.store.given_calls import LIFE_SECONDS, Found, GivenCall, GivenCalls
from tests.support.redis import RedisServer

SECRET = b"a secret of the deployment"


def _given(connection: Connection, clock: Callable[[], float] = time.time) -> GivenCalls:
    return GivenCalls(connection, SECRET, clock=clock)


async def test_calls_are_known_to_every_replica_for_two_days(connection: Connection) -> None:
    one, other = _given(connection), _given(connection)
    one.note("agt_1", [GivenCall("c1", "send"), GivenCall("c2", "drop", withheld=True)])
    await one.flush()
    found = await other.find("agt_1", ["c1", "c2", "c3", "c1"])
    assert found == Found({"c1": GivenCall("c1", "send"), "c2": GivenCall("c2", "drop", True)}, True)
    assert await other.find("agt_2", ["c1"]) == Found({}, True)
    (key,) = (await connection.execute("SCAN", "0", "COUNT", "1000"))[1]
    assert LIFE_SECONDS - 60 < await connection.execute("TTL", key) <= LIFE_SECONDS
    assert all(b"c1" not in name for name in await connection.execute("HKEYS", key))


async def test_while_a_note_is_being_written_nobody_says_that_all_is_known(connection: Connection) -> None:
    given = _given(connection)
    given.note("agt_1", [GivenCall("c1", "send")])
    given.note("agt_1", [GivenCall("c2", "send")])
    found = await given.find("agt_1", ["c1"])
    await given.flush()
    assert found.complete is False or found.calls
    assert (await given.find("agt_1", ["c1"])).complete


async def test_calls_of_the_day_before_are_found(connection: Connection) -> None:
    now = 1_800_000_000.0
    given = _given(connection, lambda: now)
    given.note("agt_1", [GivenCall("c1", "send")])
    await given.flush()
    later = await _given(connection, lambda: now + 86_400).find("agt_1", ["c1"])
    assert later.calls and later.complete
    assert await _given(connection, lambda: now + 2 * 86_400).find("agt_1", ["c1"]) == Found({}, True)


async def test_past_ten_thousand_calls_nobody_claims_to_know_all(connection: Connection) -> None:
    given = _given(connection)
    for start in range(0, 10_500, 500):
        given.note("agt_1", [GivenCall(f"c{start + n}", "send") for n in range(500)])
        await given.flush()
    found = await given.find("agt_1", ["c0", "c9999", "c10000"])
    assert set(found.calls) == {"c0", "c9999"} and not found.complete


async def test_what_redis_did_not_take_is_written_later(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=0.5)
    given = _given(connection)
    own_redis.kill()
    given.note("agt_1", [GivenCall("c1", "send")])
    assert await given.find("agt_1", ["c1"]) == Found({}, False)
    await given.flush()
    own_redis.start()
    running = asyncio.create_task(given.run())
    async with asyncio.timeout(20):
        while not (await given.find("agt_1", ["c1"])).calls:
            await asyncio.sleep(0.05)
        while not (await given.find("agt_1", ["c1"])).complete:
            await asyncio.sleep(0.05)
    running.cancel()
    await connection.close()


async def test_once_a_note_is_lost_this_process_never_knows_all(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=0.5)
    given = _given(connection)
    own_redis.kill()
    for number in range(1001):
        given.note("agt_1", [GivenCall(f"c{number}", "send")])
    await asyncio.wait(given._writing)
    own_redis.start()
    await connection.reach()
    async with asyncio.timeout(20):
        while given._pending:
            await given.flush()
    found = await given.find("agt_1", ["c0", "c1000"])
    assert len(found.calls) == 1 and not found.complete
    await connection.close()
