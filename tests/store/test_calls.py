"""Recorded requests and calls in Redis."""

import asyncio
from typing import Any

import pytest

from gateway.model.agent import Agent
from gateway.policy.question import Question
from gateway.policy.recorded import RecordedCall, RecordedRequest
from gateway.store import calls as module
from gateway.store.calls import CallLog
from gateway.store.connection import Connection

AGENT = Agent("agt_1")


def call(time: float, **arguments: Any) -> RecordedCall:
    return RecordedCall(Question("send", arguments, size=20), AGENT, time)


def log(connection: Connection, life: float | None = 3600.0) -> CallLog:
    return CallLog(connection, life=life, redact=lambda text: text.replace("sk-secret", "[redacted]"))


async def test_notes_are_read_again_the_newest_ones_and_the_oldest_of_them_first(connection: Connection) -> None:
    one, other = log(connection), log(connection)
    for at in range(600):
        (one if at % 2 else other).note(call(float(at), number=at))
    other.note(RecordedRequest(AGENT, 600.0, "gpt-4o", size=7))
    await asyncio.gather(one.flush(), other.flush())
    found = await one.read(limit=5)
    assert [note.time for note in found] == [596.0, 597.0, 598.0, 599.0, 600.0]
    assert found[-1] == RecordedRequest(AGENT, 600.0, "gpt-4o", size=7)
    assert [note.time for note in await one.read(since=598.5)] == [599.0, 600.0]
    assert len(await one.read()) == 601
    assert await connection.execute("PTTL", connection.keys.calls) > 3_500_000


async def test_no_secret_of_an_argument_is_written(connection: Connection) -> None:
    calls = log(connection)
    calls.note(call(1.0, text="with sk-secret", password="hunter2"))
    await calls.flush()
    (note,) = await calls.read()
    assert isinstance(note, RecordedCall) and note.covered
    assert note.question.arguments == {"text": "with [redacted]", "password": "[redacted]"}


async def test_the_oldest_batches_go_when_there_are_too_many_bytes(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = log(connection)
    monkeypatch.setattr(module, "MOST_BYTES", 1_000)
    for at in range(40):
        calls.note(call(float(at)))
        await calls.flush()
    found = await calls.read()
    assert 2 < len(found) < 20 and found[-1].time == 39.0


async def test_what_has_outlived_its_time_goes(connection: Connection) -> None:
    old, calls = log(connection, life=0.001), log(connection, life=0.001)
    await connection.execute("XADD", connection.keys.calls, "1-1", "d", b"x", "u", "1")
    old.note(call(1.0))
    await old.flush()
    assert b"1-1" not in [entry[0] for entry in await connection.execute("XRANGE", connection.keys.calls, "-", "+")]
    assert not (await calls.read(since=2.0))


async def test_nothing_is_recorded_where_that_is_off(connection: Connection) -> None:
    calls = log(connection, life=None)
    calls.note(call(1.0))
    assert await calls.flush() and not calls.on and not await connection.execute("EXISTS", connection.keys.calls)


async def test_notes_wait_for_redis_within_a_bound_and_are_counted_beyond_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = Connection("unix:///nowhere/redis.sock")
    calls = log(connection)
    monkeypatch.setattr(module, "_PENDING", 3)
    for at in range(5):
        calls.note(call(float(at)))
    assert calls.lost == 2 and not await calls.flush()
    calls.note(call(9.0))
    assert calls.lost == 3
    await connection.close()


async def test_notes_are_written_while_it_runs_and_once_more_at_the_end(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_INTERVAL", 0.01)
    calls = log(connection)
    running = asyncio.create_task(calls.run())
    calls.note(call(1.0))
    async with asyncio.timeout(5):
        while not await calls.read():
            await asyncio.sleep(0.01)
    calls.note(call(2.0))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [note.time for note in await calls.read()] == [1.0, 2.0]


async def test_large_notes_are_written_in_small_batches(connection: Connection) -> None:
    calls = log(connection)
    for at in range(40):
        calls.note(RecordedCall(Question("send", {"text": str(at) * 7_000}, size=14_000), AGENT, float(at)))
    await calls.flush()
    assert await connection.execute("XLEN", connection.keys.calls) == 2
    assert [note.time for note in await calls.read()] == [float(at) for at in range(40)]
