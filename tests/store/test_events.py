"""What happened, in Redis."""

import asyncio

import pytest

from gateway.store.connection import Connection
from gateway.store.events import START, Events, is_event_id
from tests.support.redis import RedisServer


async def test_what_is_told_is_read_by_all_in_order_and_from_anywhere_on(connection: Connection) -> None:
    events = Events(connection, clock=lambda: 7.5)
    assert (await events.last(), await events.after(START)) == (START, [])
    for number in range(150):
        events.notify("agent.new", {"agent_id": f"agt_{number}"})
    assert await events.flush()
    elsewhere = Events(connection, clock=lambda: 9.0)
    page = await elsewhere.after(START)
    rest = await elsewhere.after(page[-1].id)
    assert [event.data["agent_id"] for event in (*page, *rest)] == [f"agt_{n}" for n in range(150)]
    assert (page[0].kind, page[0].time, rest[-1].id) == ("agent.new", 7.5, await elsewhere.last())
    assert await elsewhere.after(rest[-1].id) == []


async def test_only_the_newest_thousand_or_so_are_kept(connection: Connection) -> None:
    events = Events(connection, clock=lambda: 7.5)
    for _ in range(2):
        for number in range(1000):
            events.notify("n", {"n": number})
        await events.flush()
    assert 1000 <= await connection.execute("XLEN", connection.keys.events) < 1200


async def test_a_duty_writes_what_is_told(connection: Connection) -> None:
    events = Events(connection, clock=lambda: 7.5)
    duty = asyncio.create_task(events.run())
    events.notify("one", {})
    async with asyncio.timeout(5):
        while not await events.after(START):
            await asyncio.sleep(0.01)
    events.notify("two", {})
    duty.cancel()
    await asyncio.gather(duty, return_exceptions=True)
    assert [event.kind for event in await events.after(START)] == ["one", "two"]


async def test_without_redis_the_newest_wait(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=5)
    events = Events(connection, clock=lambda: 7.5)
    own_redis.kill()
    for number in range(1001):
        events.notify("n", {"n": number})
    await events.flush()
    assert events.dropped >= 1
    await connection.close()


@pytest.mark.parametrize(
    ("text", "valid"), [("1-0", True), ("1", False), ("", False), ("1-0\n", False), ("٣-1", False)]
)
def test_ids_have_one_form(text: str, valid: bool) -> None:
    assert is_event_id(text) is valid
