"""Write-behind, and that a process that ends in the middle of it loses nothing."""

import asyncio
import time
from collections.abc import Callable

import pytest

from gateway.model.agent import Agent
from gateway.policy.question import Question
from gateway.policy.recorded import RecordedCall
from gateway.store.answer_notes import AnswerNotes
from gateway.store.calls import CallLog
from gateway.store.connection import Connection
from gateway.store.events import START, Events
from gateway.store.write_behind import WriteBehind


class Slow:
    """Writes one thing at a time, when it is let."""

    def __init__(self) -> None:
        self.waiting: list[int] = []
        self.written: list[int] = []
        self.takes = True
        self.taken, self.let = asyncio.Event(), asyncio.Event()

    async def flush(self) -> bool:
        while self.waiting and self.takes:
            one = self.waiting.pop(0)
            self.taken.set()
            await self.let.wait()
            self.written.append(one)
        return not self.waiting


async def ended(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.wait([running], timeout=10)
    assert running.cancelled()


async def test_what_is_on_its_way_at_the_end_is_written_once_and_then_the_rest() -> None:
    slow = Slow()
    behind = WriteBehind(slow.flush, 0)
    running = asyncio.create_task(behind.run())
    slow.waiting += [1, 2]
    behind.wake()
    await slow.taken.wait()
    ending = asyncio.create_task(ended(running))
    await asyncio.sleep(0)
    slow.waiting.append(3)
    slow.let.set()
    await ending
    assert slow.written == [1, 2, 3]


async def test_what_could_not_be_written_is_tried_again() -> None:
    slow = Slow()
    slow.let.set()
    slow.takes = False
    behind = WriteBehind(slow.flush, 0)
    running = asyncio.create_task(behind.run())
    slow.waiting.append(1)
    behind.wake()
    for _ in range(10):
        await asyncio.sleep(0)
    slow.takes = True
    await slow.taken.wait()
    await ended(running)
    assert slow.written == [1]


async def test_an_end_takes_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.write_behind._END_SECONDS", 0.01)
    slow = Slow()
    behind = WriteBehind(slow.flush, 0)
    running = asyncio.create_task(behind.run())
    slow.waiting.append(1)
    behind.wake()
    await slow.taken.wait()
    await ended(running)
    assert slow.written == []


def events(connection: Connection) -> tuple[Events, Callable[[], object]]:
    made = Events(connection, clock=time.time)
    return made, lambda: made.notify("one", {})


def calls(connection: Connection) -> tuple[CallLog, Callable[[], object]]:
    made = CallLog(connection, life=60.0, redact=str)
    return made, lambda: made.note(RecordedCall(Question("send", {}), Agent("agt_1"), 1.0))


def notes(connection: Connection) -> tuple[AnswerNotes, Callable[[], object]]:
    made = AnswerNotes(connection, connection.keys.said)
    return made, lambda: made.remember("agt_1", "resp_1", b"x")


@pytest.mark.parametrize("make", [events, calls, notes])
async def test_what_redis_has_not_answered_yet_is_there_once_after_the_end(
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Connection], tuple[Events | CallLog | AnswerNotes, Callable[[], object]]],
) -> None:
    for module in ("events", "calls", "answer_notes"):
        monkeypatch.setattr(f"gateway.store.{module}._INTERVAL", 0.0)
    made, note = make(connection)
    running = asyncio.create_task(made.run())
    await connection.execute("CLIENT", "PAUSE", 200)
    note()
    await asyncio.sleep(0.05)  # it is on its way, and Redis does not say so yet
    await ended(running)
    if isinstance(made, Events):
        assert [event.kind for event in await made.after(START)] == ["one"]
    elif isinstance(made, CallLog):
        assert [note.time for note in await made.read()] == [1.0]
    else:
        assert await made.find("agt_1", "resp_1") == b"x"
