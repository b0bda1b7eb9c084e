"""Answers whose rulings take their time, through the running path."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from gateway.model.errors import Refusal
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import RELEASE, Denial, Ruling, Wait, Withhold
from gateway.phases import inspect
from gateway.phases.timeouts import Timeouts
from tests.phases.test_inspect import CALL_BY_CALL, SECRET_ARGUMENT, ask, dialects, leaks, paced_stream, streamed
from tests.support.path import Path, running_path
from tests.support.upstream import ScriptedUpstream, json_answer, sse_answer

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": SECRET_ARGUMENT})}}
WHOLE = {"choices": [{"index": 0, "message": {"tool_calls": [CALL]}, "finish_reason": "tool_calls"}]}
BODY: dict[str, Any] = {
    "model": "m",
    "messages": [],
    "stream": True,
    "stream_options": {"include_usage": True},
}
WITHHELD = Withhold("Not now.", (Denial("restart_service", "ops/deny/0", "not now"),))


class Slow:
    """A judge whose rulings are there when a test says so."""

    def __init__(self, ruling: Ruling = RELEASE) -> None:
        self.ruling = ruling
        self.asked, self.answer, self.cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def __call__(self, calls: Sequence[ToolCall]) -> Wait:
        return Wait(self._wait)

    async def _wait(self) -> Ruling:
        self.asked.set()
        try:
            await self.answer.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return self.ruling


async def within(event: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await event.wait()


async def read(path: Path, body: dict[str, Any], into: list[bytes]) -> httpx.Response:
    async with path.client.stream("POST", "/v1/chat/completions", json=body) as said:
        async for part in said.aiter_raw():
            into.append(part)
    return said


@streamed
@dialects
async def test_what_is_released_after_waiting_is_what_the_provider_sent(dialect: str, stream: bool) -> None:
    path, body = ask(dialect, stream=stream)
    async with running_path() as running:
        at_once = await running.client.post(path, json=body)
    judge = Slow()
    judge.answer.set()
    async with running_path(judge=judge) as running:
        waited = await running.client.post(path, json=body)
        assert running.budget.used == 0
    assert waited.content == at_once.content
    assert b"restart_service" in waited.content


@streamed
@dialects
async def test_what_is_withheld_after_waiting_never_leaves(dialect: str, stream: bool) -> None:
    path, body = ask(dialect, stream=stream)
    judge = Slow(WITHHELD)
    judge.answer.set()
    async with running_path(judge=judge) as running:
        said = await running.client.post(path, json=body)
        seen = await running.sightings.settled()
    assert "Not now." in said.text
    assert not leaks(said.text)
    assert seen.vitals.denied_calls == 1


@pytest.mark.parametrize("together", [True, False], ids=["one chunk", "frame by frame"])
async def test_comments_keep_a_waiting_caller_alive_and_nothing_else_leaves(
    together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect, "_HEARTBEAT_SECONDS", 0.02)
    judge, said = Slow(), list[bytes]()
    script = sse_answer([b"".join(CALL_BY_CALL)]) if together else paced_stream(*CALL_BY_CALL)
    async with ScriptedUpstream(script) as upstream, running_path(upstream.url, judge=judge) as path:
        reading = asyncio.create_task(read(path, BODY, said))
        await within(judge.asked)
        async with asyncio.timeout(10):
            while b"".join(said).count(b": held\n\n") < 3:
                await asyncio.sleep(0.001)
        assert b"".join(said).replace(b": held\n\n", b"") == CALL_BY_CALL[0]
        judge.answer.set()
        await reading
        assert path.budget.used == 0
    assert b"".join(said).replace(b": held\n\n", b"") == b"".join(CALL_BY_CALL)


@streamed
async def test_the_time_that_a_ruling_takes_is_not_the_providers(stream: bool) -> None:
    short = Timeouts(idle=0.05, first_byte=5, whole=0.2, total=0.2)
    judge, said = Slow(), list[bytes]()
    script = paced_stream(*CALL_BY_CALL) if stream else json_answer(WHOLE)
    async with ScriptedUpstream(script) as upstream, running_path(upstream.url, judge=judge, timeouts=short) as path:
        reading = asyncio.create_task(read(path, {**BODY, "stream": stream}, said))
        await within(judge.asked)
        await asyncio.sleep(0.3)  # longer than any of them
        judge.answer.set()
        assert (await reading).status_code == 200
        seen = await path.sightings.settled()
    assert leaks(b"".join(said).decode())
    assert seen.vitals.error_type is None


@streamed
async def test_a_caller_that_leaves_ends_the_wait_and_the_providers_work(stream: bool) -> None:
    judge = Slow()
    script = paced_stream(*CALL_BY_CALL) if stream else json_answer(WHOLE)
    async with ScriptedUpstream(script) as upstream, running_path(upstream.url, judge=judge) as path:
        reading = asyncio.create_task(read(path, {**BODY, "stream": stream}, []))
        await within(judge.asked)
        reading.cancel()
        await within(judge.cancelled)
        seen = await path.sightings.settled()
        assert path.budget.used == 0
    assert seen.vitals.error_type == "client_gone"


@streamed
async def test_whoever_is_blocked_while_waiting_gets_nothing_of_the_call(stream: bool) -> None:
    judge, said = Slow(), list[bytes]()
    script = paced_stream(*CALL_BY_CALL) if stream else json_answer(WHOLE)
    async with ScriptedUpstream(script) as upstream, running_path(upstream.url, judge=judge) as path:
        reading = asyncio.create_task(read(path, {**BODY, "stream": stream}, said))
        await within(judge.asked)
        for exchange in tuple(path.pipeline.active):
            exchange.interrupt(Refusal("agent_quarantined", "Agent x is quarantined."))
        answer = await reading
        await within(judge.cancelled)
        assert path.budget.used == 0
    assert answer.status_code == (200 if stream else 403)
    assert b"agent_quarantined" in b"".join(said)
    assert not leaks(b"".join(said).decode())


@pytest.mark.parametrize("raised", [True, False])
@streamed
async def test_a_refusal_after_waiting_is_told_as_one(stream: bool, raised: bool) -> None:
    refusal = Refusal("approval_required", "Rejected by a person.")

    class Refusing(Slow):
        async def _wait(self) -> Ruling:
            if raised:
                raise refusal
            return refusal

    script = paced_stream(*CALL_BY_CALL) if stream else json_answer(WHOLE)
    async with ScriptedUpstream(script) as upstream, running_path(upstream.url, judge=Refusing()) as path:
        said = list[bytes]()
        answer = await read(path, {**BODY, "stream": stream}, said)
    assert answer.status_code == (200 if stream else 403)
    assert b"approval_required" in b"".join(said)
    assert not leaks(b"".join(said).decode())


@streamed
async def test_a_ruling_that_breaks_refuses(stream: bool) -> None:
    class Broken(Slow):
        async def _wait(self) -> Ruling:
            raise ZeroDivisionError

    script = paced_stream(*CALL_BY_CALL) if stream else json_answer(WHOLE)
    async with ScriptedUpstream(script) as upstream, running_path(upstream.url, judge=Broken()) as path:
        said = list[bytes]()
        await read(path, {**BODY, "stream": stream}, said)
        assert path.budget.used == 0
    assert b"internal_error" in b"".join(said)
    assert not leaks(b"".join(said).decode())


async def test_choices_of_one_answer_wait_one_after_the_other() -> None:
    choices = [{**WHOLE["choices"][0], "index": index} for index in range(2)]
    turns: list[int] = []

    def judge(calls: Sequence[ToolCall]) -> Wait:
        async def ruling() -> Ruling:
            turns.append(calls[0].turn)
            return WITHHELD if calls[0].turn else RELEASE

        return Wait(ruling)

    script = json_answer({"choices": choices})
    async with ScriptedUpstream(script) as upstream, running_path(upstream.url, judge=judge) as path:
        said = await path.client.post("/v1/chat/completions", json={**BODY, "stream": False})
    assert turns == [0, 1]
    kept, withheld = said.json()["choices"]
    assert kept == choices[0]
    assert withheld["message"]["content"] == "Not now."
