"""Answers on their way out, through the running path."""

import asyncio
import gzip
import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from gateway.model.errors import Refusal
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import RELEASE, Denial, Ruling, Withhold, allow_all
from gateway.phases import inspect
from gateway.pipeline import Pipeline
from gateway.wire.chat_stream import ChatReader
from gateway.wire.interdiction import HoldBudget, Interdiction
from tests.support.chat_streams import DONE, chunk, part
from tests.support.path import running_path
from tests.support.upstream import (
    SSE,
    Conversation,
    Request,
    Script,
    ScriptedUpstream,
    answer,
    event,
    json_answer,
    sse_answer,
)

SECRET_ARGUMENT = "payments-7731"
PARAMETERS = {"type": "object", "properties": {"service": {"enum": [SECRET_ARGUMENT]}}, "required": ["service"]}
FUNCTION = {"name": "restart_service", "description": "", "parameters": PARAMETERS}
USER = [{"role": "user", "content": "Restart it"}]
ASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"messages": USER, "tools": [{"type": "function", "function": FUNCTION}]}),
    "chat-legacy": ("/v1/chat/completions", {"messages": USER, "functions": [FUNCTION]}),
    "responses": ("/v1/responses", {"input": "Restart it", "tools": [{"type": "function", **FUNCTION}]}),
    "messages": (
        "/v1/messages",
        {"messages": USER, "max_tokens": 9, "tools": [{"name": "restart_service", "input_schema": PARAMETERS}]},
    ),
}
dialects = pytest.mark.parametrize("dialect", list(ASKS))
TEXT = event({"choices": [{"index": 0, "delta": {"content": "Hi"}}]})
streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.mark.parametrize(("status", "told"), [(200, [200]), (204, [204]), (400, []), (500, [])])
async def test_whoever_wants_to_know_is_told_when_a_provider_begins_to_answer(status: int, told: list[int]) -> None:
    begun: list[int] = []

    def listen(pipeline: Pipeline) -> None:
        pipeline.inspect._begun = lambda exchange: begun.append(exchange.status)

    async with ScriptedUpstream(answer(status)) as upstream, running_path(upstream.url, change=listen) as path:
        await path.client.get("/v1/files", headers={"authorization": "Bearer sk-1"})
    assert begun == told


def leaks(text: str) -> bool:
    """Whether the call's argument is there, quoted or not; the schema that a Responses object repeats is no leak."""
    return SECRET_ARGUMENT in text.replace(f'"enum":["{SECRET_ARGUMENT}"]', "")


def refuse(calls: Sequence[ToolCall]) -> Ruling:
    assert [json.loads(call.arguments) for call in calls] == [{"service": SECRET_ARGUMENT}]
    return Withhold(
        "Not now: restart_service is refused.", (Denial("restart_service", "ops/deny/0", "not now", "dec_1"),)
    )


def error(calls: Sequence[ToolCall]) -> Ruling:
    return Refusal("tool_call_denied", "restart_service is refused by ops/deny/0: not now.")


def ask(dialect: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    path, body = ASKS[dialect]
    return path, {"model": "stub-tool", "stream": stream, **body}


@dialects
@streamed
async def test_a_withheld_call_is_told_as_text_and_none_of_it_leaves(dialect: str, stream: bool) -> None:
    path, body = ask(dialect, stream=stream)
    async with running_path(judge=refuse) as running:
        said = await running.client.post(path, json=body)
        seen = await running.sightings.settled()
    assert said.status_code == 200
    assert not leaks(said.text)
    assert "Not now: restart_service is refused." in said.text
    assert '"denied":[{"tool":"restart_service","rule":"ops/deny/0","decision_id":"dec_1"}]' in said.text
    assert said.headers.get("x-gateway-denied") == (None if stream else "1")
    assert seen.vitals.denied_calls == 1


@dialects
@streamed
async def test_a_refused_answer_ends_in_the_dialects_own_error(dialect: str, stream: bool) -> None:
    path, body = ask(dialect, stream=stream)
    async with running_path(judge=error) as running:
        said = await running.client.post(path, json=body)
        seen = await running.sightings.settled()
    assert said.status_code == (200 if stream else 403)
    assert not leaks(said.text)
    assert "refused by ops/deny/0" in said.text
    assert "[DONE]" not in said.text
    if not stream:
        assert said.headers["x-should-retry"] == "false"
    assert seen.vitals.error_type == "tool_call_denied"


@dialects
@streamed
async def test_an_allowed_answer_is_what_the_provider_sent(dialect: str, stream: bool) -> None:
    path, body = ask(dialect, stream=stream)
    async with running_path() as running:
        said = await running.client.post(path, json=body)
        seen = await running.sightings.settled()
    assert "restart_service" in said.text
    assert (seen.vitals.tool_names, seen.vitals.denied_calls) == (("restart_service",), 0)


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b'{"choices":[],"choices":[]}', b'{"a":' * 300 + b"1" + b"}" * 300],
    ids=["html", "array", "duplicate", "deep"],
)
async def test_a_whole_answer_without_one_meaning_is_the_providers_fault(body: bytes) -> None:
    async with ScriptedUpstream(answer(200, body)) as upstream, running_path(upstream.url) as path:
        said = await path.client.post("/v1/chat/completions", json={"model": "m", "messages": []})
    assert (said.status_code, said.json()["error"]["code"]) == (502, "upstream_invalid")


async def test_embeddings_that_come_as_a_stream_are_the_providers_fault() -> None:
    async with ScriptedUpstream(sse_answer([event({"data": []})])) as upstream, running_path(upstream.url) as path:
        said = await path.client.post("/v1/embeddings", json={"model": "m", "input": "x"})
    assert (said.status_code, said.json()["error"]["code"]) == (502, "upstream_invalid")


async def test_an_error_of_the_provider_passes_as_it_is() -> None:
    body = b'{"error": {"message": "slow down",  "code": "rate_limit_exceeded"}}'
    headers = [("retry-after", "1000000000"), ("content-type", "application/json")]
    async with ScriptedUpstream(answer(429, body, headers)) as upstream, running_path(upstream.url) as path:
        said = await path.client.post("/v1/chat/completions", json={"model": "m", "messages": []})
    assert (said.status_code, said.content, said.headers["retry-after"]) == (429, body, "1000000000")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_compressed_unasked_is_judged_and_leaves_decoded(stream: bool) -> None:
    chunk = event({"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]})
    plain = chunk + event("[DONE]") if stream else json.dumps({"choices": []}).encode()
    kind = "text/event-stream" if stream else "application/json"
    coded = answer(200, gzip.compress(plain), [("content-type", kind), ("content-encoding", "gzip")])
    async with ScriptedUpstream(coded) as upstream, running_path(upstream.url) as path:
        body = {"model": "m", "messages": [], "stream": stream, "stream_options": {"include_usage": True}}
        async with path.client.stream("POST", "/v1/chat/completions", json=body) as said:
            raw = b"".join([part async for part in said.aiter_raw()])
    assert raw == plain
    assert "content-encoding" not in said.headers
    assert upstream.requests[0].header("accept-encoding") == "identity"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("coding", ["identity", " Identity", ""])
async def test_an_answer_may_say_that_it_has_no_content_coding(coding: str, stream: bool) -> None:
    plain = event("[DONE]") if stream else b'{"choices": []}'
    kind = "text/event-stream" if stream else "application/json"
    said = answer(200, plain, [("content-type", kind), ("content-encoding", coding)])
    async with ScriptedUpstream(said) as upstream, running_path(upstream.url) as path:
        got = await path.client.post("/v1/chat/completions", json={"model": "m", "messages": [], "stream": stream})
    assert (got.status_code, got.content) == (200, plain)


async def test_a_stream_is_told_from_a_whole_answer_by_what_the_provider_sends() -> None:
    frames = [event({"choices": []}), event("[DONE]")]
    answers = [sse_answer(frames), json_answer({"choices": []})]
    async with ScriptedUpstream(answers) as upstream, running_path(upstream.url) as path:
        unasked = await path.client.post("/v1/chat/completions", json={"model": "m", "messages": []})
        whole = await path.client.post("/v1/chat/completions", json={"model": "m", "messages": [], "stream": True})
    assert unasked.content == b"".join(frames)
    assert (unasked.headers["x-accel-buffering"], unasked.headers["cache-control"]) == ("no", "no-cache")
    assert whole.json() == {"choices": []}


@pytest.mark.parametrize(("stream", "accept"), [(True, "application/json"), (False, "text/event-stream")])
async def test_where_the_provider_names_no_type_the_body_decides_and_never_the_accept_header(
    stream: bool, accept: str
) -> None:
    frames = b"".join([TEXT, event("[DONE]")])
    said = answer(200, frames if stream else b'{"choices":[]}')
    body = {"model": "m", "messages": [], "stream": stream, "stream_options": {"include_usage": True}}
    async with ScriptedUpstream(said) as upstream, running_path(upstream.url) as path:
        got = await path.client.post("/v1/chat/completions", json=body, headers={"accept": accept})
        seen = await path.sightings.settled()
    assert (got.status_code, got.content) == (200, frames if stream else b'{"choices":[]}')
    assert seen.vitals.stream is stream


async def test_a_cut_relayed_answer_cannot_be_taken_for_a_whole_one() -> None:
    async def cut(request: Request, talk: Conversation) -> None:
        await talk.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        talk.close()

    async with ScriptedUpstream(cut) as upstream, running_path(upstream.url) as path:
        with pytest.raises(httpx.RemoteProtocolError):
            await path.client.get("/v1/files/file-1/content")
        seen = await path.sightings.settled()
    assert seen.vitals.error_type == "upstream_invalid"


async def test_a_caller_that_waits_for_held_frames_gets_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "_HEARTBEAT_SECONDS", 0.02)
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}

    async def slowly(request: Request, talk: Conversation) -> None:
        await talk.start()
        await talk.chunk(event({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}))
        await heard.wait()
        await talk.chunk(event({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}))
        await talk.chunk(event("[DONE]"))
        await talk.end()

    heard, said = asyncio.Event(), b""
    async with ScriptedUpstream(slowly) as upstream, running_path(upstream.url) as path:
        body = {"model": "m", "messages": [], "stream": True}
        async with path.client.stream("POST", "/v1/chat/completions", json=body) as answer:
            async for part in answer.aiter_raw():
                said += part
                if said.startswith(b": held\n\n"):
                    heard.set()
        assert path.budget.used == 0
    assert said.endswith(b"data: [DONE]\n\n")


async def test_what_a_stream_held_is_given_back_when_the_caller_leaves() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}

    async def never(request: Request, talk: Conversation) -> None:
        await talk.start()
        await talk.chunk(event({"choices": [{"index": 0, "delta": {"content": "Let me see."}}]}))
        await talk.chunk(event({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}))
        await talk.hang()

    async with ScriptedUpstream(never) as upstream, running_path(upstream.url) as path:
        body = {"model": "m", "messages": [], "stream": True}
        async with path.client.stream("POST", "/v1/chat/completions", json=body):
            async with asyncio.timeout(10):
                while not path.budget.used:
                    await asyncio.sleep(0)
        await path.sightings.settled()
        assert path.budget.used == 0


BEGUN = {
    "/v1/chat/completions": TEXT,
    "/v1/completions": event({"choices": [{"index": 0, "text": "Hi"}]}),
    "/v1/responses": event({"type": "response.output_text.delta", "delta": "Hi"}, "response.output_text.delta"),
    "/v1/messages": event(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        "content_block_delta",
    ),
}
ERRORS = {
    "/v1/responses": b"event: response.failed\ndata: ",
    "/v1/messages": b"event: error\ndata: ",
}


@pytest.mark.parametrize("path_of", list(BEGUN))
async def test_a_stream_that_ends_too_early_ends_with_an_error_and_nothing_is_made_up(path_of: str) -> None:
    body = {"model": "m", "stream": True, "max_tokens": 9, "messages": [], "input": "x", "prompt": "x"}
    async with ScriptedUpstream(sse_answer([BEGUN[path_of]])) as upstream, running_path(upstream.url) as path:
        said = await path.client.post(path_of, json=body)
        seen = await path.sightings.settled()
    assert said.content.startswith(BEGUN[path_of])
    error = said.content.removeprefix(BEGUN[path_of])
    assert error.startswith(ERRORS.get(path_of, b'data: {"error":{'))
    assert error.count(b"\n\n") == 1 and error.endswith(b"\n\n")
    assert b"ended before it was complete" in error
    assert b"finish_reason" not in error and b"stop_reason" not in error
    assert seen.vitals.error_type == "upstream_invalid"


class Told:
    """A caller that notes what is written to it."""

    def __init__(self) -> None:
        self.said: list[bytes] = []

    async def write(self, data: bytes) -> None:
        self.said.append(data)


def _held(text: bytes) -> bytes:
    part = {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]}}]}
    return text + event(part)


@pytest.mark.parametrize(
    ("stream", "comments"),
    [(_held(b""), 2), (TEXT, 0), (_held(b"id: 7\n" + TEXT), 0), (_held(TEXT + b": note\n\n"), 2)],
    ids=["held", "nothing held", "an id was seen", "a comment was seen"],
)
async def test_comments_are_written_while_frames_are_held_and_no_id_was_seen(stream: bytes, comments: int) -> None:
    machine, told = Interdiction(ChatReader(), allow_all, budget=HoldBudget()), Told()
    machine.feed(stream)
    tick = inspect._Heartbeat(machine, told)  # type: ignore[arg-type]
    for now in (0.0, 14.9, 15.0, 29.9, 30.0):
        tick(now)
        await asyncio.sleep(0)
    assert told.said == [b": held\n\n"] * comments


def paced_stream(*frames: bytes) -> Script:
    """Each frame in a segment of its own, so that the gateway has read one before the next comes."""

    async def script(request: Request, talk: Conversation) -> None:
        await talk.start(200, SSE)
        for frame in frames:
            await talk.chunk(frame)
            await asyncio.sleep(0.005)
        await talk.end()

    return script


CALL_BY_CALL = (
    chunk({"content": "Let me look."}),
    chunk(part(id="call_1", name="restart_service", arguments='{"service":')),
    chunk(part(arguments=f'"{SECRET_ARGUMENT}"}}')),
    chunk({}, finish="tool_calls"),
    DONE,
)


async def test_a_call_that_comes_frame_by_frame_is_withheld_too() -> None:
    async with (
        ScriptedUpstream(paced_stream(*CALL_BY_CALL)) as upstream,
        running_path(upstream.url, judge=refuse) as running,
    ):
        said = await running.client.post("/v1/chat/completions", json={"model": "m", "stream": True, "messages": []})
    assert not leaks(said.text)
    assert "Not now: restart_service is refused." in said.text
    assert said.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("what", ["refusal", "defect"])
async def test_a_stream_that_comes_frame_by_frame_ends_in_band_when_its_judge_refuses_or_breaks(what: str) -> None:
    def broken(calls: Sequence[ToolCall]) -> Ruling:
        raise RuntimeError("a defect")

    judge = error if what == "refusal" else broken
    async with (
        ScriptedUpstream(paced_stream(*CALL_BY_CALL)) as upstream,
        running_path(upstream.url, judge=judge) as running,
    ):
        said = await running.client.post("/v1/chat/completions", json={"model": "m", "stream": True, "messages": []})
        seen = await running.sightings.settled()
    assert not leaks(said.text)
    assert "[DONE]" not in said.text
    assert seen.vitals.error_type == ("tool_call_denied" if what == "refusal" else "internal_error")


NUMBER = "123456789012345678901234567890"


@pytest.mark.parametrize("written", [NUMBER, "9" * 5000])
async def test_a_number_in_a_whole_call_is_judged_as_it_leaves(written: str) -> None:
    block = {"type": "tool_use", "id": "t", "name": "pay", "input": {"amount": 0}}
    message = {"id": "m", "type": "message", "role": "assistant", "content": [block], "stop_reason": "tool_use"}
    body = json.dumps(message).replace('"amount": 0', f'"amount": {written}').encode()
    judged: list[Any] = []

    def judge(calls: Sequence[ToolCall]) -> Ruling:
        judged.extend(call.parsed for call in calls)
        return RELEASE

    async with (
        ScriptedUpstream(answer(200, body, [("content-type", "application/json")])) as upstream,
        running_path(upstream.url, judge=judge) as path,
    ):
        said = await path.client.post("/v1/messages", json={"model": "m", "messages": [], "max_tokens": 1})
    if written == NUMBER:
        assert (said.content, judged) == (body, [{"amount": int(NUMBER)}])
    else:
        assert (said.status_code, judged) == (502, [])
