"""What is remembered of an answer, known at whatever worker."""

import asyncio

from gateway.store.answer_notes import AnswerNotes
from gateway.store.connection import Connection
from tests.support.redis import RedisServer


async def test_a_note_is_found_by_another_worker_for_its_own_agent(connection: Connection) -> None:
    one, other = (AnswerNotes(connection, connection.keys.withheld) for _ in range(2))
    for number in range(200):
        one.remember("agt_1", f"resp_{number}", b"%d" % number)
    await one.flush()
    assert await other.find("agt_1", "resp_199") == b"199"
    assert await other.find("agt_2", "resp_199") is None
    keys = (await connection.execute("SCAN", "0", "COUNT", "1"))[1]
    assert 3500 < await connection.execute("TTL", keys[0]) <= 3600


async def test_it_is_written_by_itself(connection: Connection) -> None:
    notes = AnswerNotes(connection, connection.keys.withheld)
    running = asyncio.create_task(notes.run())
    notes.remember("agt_1", "\ud800" * 5000, b"x")
    async with asyncio.timeout(10):
        while await notes.find("agt_1", "\ud800" * 5000) is None:
            await asyncio.sleep(0.01)
    running.cancel()


async def test_without_redis_nothing_is_found_and_nothing_fails(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url)
    notes = AnswerNotes(connection, connection.keys.withheld)
    own_redis.kill()
    notes.remember("agt_1", "resp_1", b"x")
    await notes.flush()
    assert await notes.find("agt_1", "resp_1") is None
    await connection.close()


async def test_what_may_not_wait_any_more_is_forgotten(connection: Connection) -> None:
    notes = AnswerNotes(connection, connection.keys.withheld, waiting=2)
    for number in range(3):
        notes.remember("agt_1", f"resp_{number}", b"x")
    await notes.flush()
    assert [await notes.find("agt_1", f"resp_{number}") for number in range(3)] == [None, b"x", b"x"]
