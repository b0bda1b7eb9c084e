"""Runaway answers: cut while they stream, told when they are whole."""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.immune.caps import NONE, Caps
from gateway.immune.finding import Finding
from gateway.immune.settings import Immune
from gateway.model.errors import Refusal
from gateway.model.verdict import Judge, allow_all
from gateway.phases.capping import UNCAPPED, Capping
from gateway.phases.inspect import Inspect
from gateway.phases.timeouts import Timeouts
from gateway.pipeline import Pipeline
from gateway.wire.interdiction import HoldBudget
from tests.phases.test_inspect_waiting import Slow
from tests.support.chat_streams import DONE, chunk, part
from tests.support.path import Path, running_path
from tests.support.upstream import SSE, Conversation, Request, Script, ScriptedUpstream, event, json_answer, sse_answer

WORDS = "one two three four five " * 10
CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Count"}]},
    RESPONSES: {"model": "m", "stream": True, "input": "Count"},
    MESSAGES: {
        "model": "m",
        "stream": True,
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Count"}],
    },
}


def _typed(document: dict[str, Any]) -> bytes:
    return event(document, document["type"])


STREAMS: dict[str, tuple[bytes, bytes]] = {
    CHAT: (chunk({"role": "assistant"}), chunk({"content": WORDS})),
    RESPONSES: (
        _typed({"type": "response.created", "response": {"id": "r", "status": "in_progress", "output": []}}),
        _typed({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": WORDS}),
    ),
    MESSAGES: (
        _typed(
            {
                "type": "message_start",
                "message": {"id": "x", "type": "message", "role": "assistant", "content": [], "usage": {}},
            }
        )
        + _typed({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        _typed({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": WORDS}}),
    ),
}


@dataclass
class Gateway:
    path: Path
    upstream: ScriptedUpstream
    found: list[Finding]
    capping: Capping
    asked: list[tuple[str, str | None]]


@dataclass
class Setting:
    caps: Caps = NONE
    immune: Immune = field(default_factory=Immune)
    judge: Judge = allow_all


@asynccontextmanager
async def gateway(script: Script, setting: Setting) -> AsyncIterator[Gateway]:
    found: list[Finding] = []
    asked: list[tuple[str, str | None]] = []

    def caps(agent_id: str, model: str | None) -> Caps:
        asked.append((agent_id, model))
        return setting.caps

    capping = Capping(caps, found.append, lambda agent: setting.immune, clock=time.monotonic, wall_clock=lambda: 1.8e9)

    def use(pipeline: Pipeline) -> None:
        pipeline.inspect = Inspect(
            lambda exchange: setting.judge, HoldBudget(), Timeouts(), time.monotonic, capping=capping
        )

    async with (
        ScriptedUpstream(script) as upstream,
        running_path(upstream.url, gates=(capping.gate,), change=use) as path,
    ):
        yield Gateway(path, upstream, found, capping, asked)


def endless(first: bytes, more: bytes) -> Callable[[Request, Conversation], Any]:
    async def script(request: Request, talk: Conversation) -> None:
        await talk.start()
        await talk.chunk(first)
        while not talk.client_gone.is_set():
            await talk.chunk(more)
            await asyncio.sleep(0.001)

    return script


async def ask(here: Gateway, path: str = CHAT, **members: Any) -> str:
    async with here.path.client.stream("POST", path, json={**BODIES[path], **members}) as said:
        assert said.status_code == 200
        return "".join([text async for text in said.aiter_text()])


@pytest.mark.parametrize("dialect", [CHAT, RESPONSES, MESSAGES])
async def test_an_answer_without_end_is_cut_and_paid_for_and_its_provider_stops(dialect: str) -> None:
    async with gateway(endless(*STREAMS[dialect]), Setting(Caps(output_tokens=1000))) as here:
        text = await ask(here, dialect)
        assert text.endswith("\n\n") and "[DONE]" not in text
        error = text.rsplit("data: ", 1)[1]
        assert "policy_denied" in error or dialect == MESSAGES
        assert "after 1020 tokens: far outside what this agent ever gets (runaway answer)" in error
        seen = await here.path.sightings.settled()
        assert seen.vitals.error_type == "policy_denied"
        assert seen.vitals.usage_estimated and seen.vitals.output_tokens == 1020
        assert text.count("one two") == 16 * 10  # 3840 characters; what crossed the line did not leave
        await here.upstream.conversations[0].gone()
        ((one),) = here.found
        assert (one.type, one.metric, one.hard, one.model) == ("output_token_spike", "runaway", False, "m")
        assert one.detail == {"measure": "tokens", "value": 1020, "cap": 1000}
        assert one.agent_id == seen.agent.agent_id and one.conversation == seen.vitals.conversation
        assert here.asked == [(one.agent_id, "m")] * 2
        assert here.capping.cut == 1


async def test_a_compressed_answer_is_cut_too() -> None:
    async def script(request: Request, talk: Conversation) -> None:
        packer = zlib.compressobj(wbits=31)
        await talk.start(200, [*SSE, ("content-encoding", "gzip")])
        while not talk.client_gone.is_set():
            await talk.chunk(packer.compress(STREAMS[CHAT][1]) + packer.flush(zlib.Z_SYNC_FLUSH))
            await asyncio.sleep(0.001)

    async with gateway(script, Setting(Caps(500))) as here:
        assert "runaway answer" in await ask(here)


async def test_arguments_of_a_call_that_never_ends_count_though_nobody_gets_them() -> None:
    first, more = chunk(part(name="f", id="c")), chunk(part(arguments="x" * 400))
    async with gateway(endless(first, more), Setting(Caps(1000))) as here:
        text = await ask(here)
        assert "runaway answer" in text and "xxx" not in text


@pytest.mark.parametrize("mode", ["warn", "shadow"])
async def test_in_other_modes_it_is_only_told_and_once(mode: Any) -> None:
    events = [STREAMS[CHAT][1]] * 20 + [chunk({}, finish="stop"), DONE]
    async with gateway(sse_answer(events), Setting(Caps(100), Immune(mode=mode))) as here:
        assert (await ask(here)).endswith("[DONE]\n\n")
        assert [one.metric for one in here.found] == ["runaway"]
        assert here.capping.cut == 0


async def test_what_only_the_fleet_gets_is_told_of_a_newcomer_and_cut_where_a_policy_says_so() -> None:
    async def script(request: Request, talk: Conversation) -> None:
        await talk.start()
        for _ in range(20):
            await talk.chunk(STREAMS[CHAT][1])
            await asyncio.sleep(0.001)
        await talk.chunk(chunk(part(name="f", id="c", arguments="{}")) + chunk({}, finish="tool_calls") + DONE)
        await talk.end()

    for caps in (Caps(100, fleets=True), Caps(tool_calls=0, fleets=True)):
        async with gateway(script, Setting(caps)) as here:
            assert (await ask(here)).endswith("[DONE]\n\n") and here.capping.cut == 0
            assert [one.detail["of"] for one in here.found] == ["the fleet"]
    async with gateway(endless(*STREAMS[CHAT]), Setting(Caps(100, fleets=True), Immune(fleet_caps_cut=True))) as here:
        assert "runaway answer" in await ask(here)
        assert [one.detail for one in here.found] == [
            {"measure": "tokens", "value": 120, "cap": 100, "of": "the fleet"}
        ]


async def test_an_answer_that_is_complete_is_not_cut() -> None:
    body = b"".join([STREAMS[CHAT][1]] * 20 + [chunk({}, finish="stop"), DONE])
    async with gateway(sse_answer([body]), Setting(Caps(100))) as here:
        assert (await ask(here)).endswith("[DONE]\n\n")


async def test_whole_answers_pass_and_are_told() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "x" * 40, "tool_calls": [call] * 3}
    document = {
        "id": "x",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 500, "total_tokens": 501},
    }
    setting = Setting()
    async with gateway(json_answer(document), setting) as here:
        for caps in (NONE, Caps(500, 600.0, 3), Caps(499), Caps(tool_calls=2), Caps(seconds=0.0)):
            setting.caps = caps
            answer = await here.path.client.post(CHAT, json={**BODIES[CHAT], "stream": False})
            assert answer.json() == document
        del document["usage"]
        setting.caps = Caps(9)
        here.upstream.script = json_answer(document)
        await here.path.client.post(CHAT, json={**BODIES[CHAT], "stream": False})
        await here.path.client.get("/v1/files")
        told = [(one.detail["measure"], one.detail["value"]) for one in here.found]
        assert told == [("tokens", 500), ("tool_calls", 3), ("seconds", 0), ("tokens", 11)]


async def test_more_calls_than_may_be_do_not_leave_and_fewer_are_judged_as_ever() -> None:
    calls = [chunk(part(n, name=f"tool_{n}", id=f"c{n}", arguments="{}")) for n in range(4)]
    stream = sse_answer([*calls, chunk({}, finish="tool_calls"), DONE])
    setting = Setting(Caps(tool_calls=3))
    async with gateway(stream, setting) as here:
        text = await ask(here)
        assert "at 4 tool calls" in text and "tool_3" not in text
        assert here.found[0].detail == {"measure": "tool_calls", "value": 4, "cap": 3}
        setting.caps = Caps(tool_calls=4)
        assert "tool_3" in await ask(here)
        setting.judge = lambda calls: Refusal("tool_call_denied", "no")
        assert "tool_3" not in await ask(here)
        assert len(here.found) == 1


async def test_calls_of_several_choices_count_together() -> None:
    calls = [
        chunk(part(name="f", id=f"c{n}", arguments="{}"), index=n) + chunk({}, index=n, finish="tool_calls")
        for n in range(3)
    ]
    async with gateway(sse_answer([*calls, DONE]), Setting(Caps(tool_calls=2))) as here:
        assert "at 3 tool calls" in await ask(here)


async def test_an_answer_that_takes_too_long_is_cut_by_the_clock() -> None:
    async with gateway(endless(*STREAMS[CHAT]), Setting(Caps(seconds=0.2))) as here:
        text = await ask(here)
        assert "runaway answer" in text
        seen = await here.path.sightings.settled()
        assert seen.vitals.error_type == "policy_denied" and seen.vitals.output_tokens > 50
        assert here.found[0].detail["measure"] == "seconds"
    async with gateway(endless(*STREAMS[CHAT]), Setting(Caps(seconds=0.05), Immune(mode="warn"))) as here:
        async with asyncio.timeout(10), here.path.client.stream("POST", CHAT, json=BODIES[CHAT]) as said:
            async for _ in said.aiter_raw():
                if here.found:
                    break
        assert [one.metric for one in here.found] == ["runaway"]


async def test_while_a_person_is_asked_the_clock_stands_still() -> None:
    slow = Slow()
    call = chunk(part(name="f", id="c", arguments="{}")) + chunk({}, finish="tool_calls")
    async with gateway(sse_answer([call, DONE]), Setting(Caps(seconds=0.3), judge=slow)) as here:
        asking = asyncio.create_task(ask(here))
        await slow.asked.wait()
        began = time.monotonic()
        while time.monotonic() - began < 0.6:
            await asyncio.sleep(0.02)
        slow.answer.set()
        assert '"name":"f"' in (await asking).replace(" ", "")
        assert not here.found


async def test_without_caps_nothing_is_done() -> None:
    events = [STREAMS[CHAT][1]] * 50 + [chunk({}, finish="stop"), DONE]
    async with gateway(sse_answer(events), Setting()) as here:
        assert (await ask(here)).endswith("[DONE]\n\n")
        assert not here.found


def test_a_judge_is_the_same_where_calls_have_no_cap() -> None:
    assert UNCAPPED.judging(allow_all) is allow_all
    assert UNCAPPED.over() is None
