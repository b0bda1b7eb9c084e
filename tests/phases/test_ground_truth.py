"""Vitals against what a scripted provider really did: every dialect, whole and streamed, however it ends."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.model.vitals import Vitals
from tests.support.path import running_path
from tests.support.raw_http import RawConnection
from tests.support.upstream import Conversation, Request, ScriptedUpstream, event, json_answer, sse_answer

Document = dict[str, Any]
TEXT = "It is raining. " * 20


@dataclass(frozen=True)
class Dialect:
    """One API: an ask, and the same answers whole and as events."""

    name: str
    path: str
    ask: Document
    text: Document
    text_events: list[bytes]
    calls: Document
    call_events: list[bytes]
    finish: tuple[str, str]
    cost_usd: float


def _chunk(delta: Document, finish: str | None = None, **members: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({"id": "chatcmpl-1", "model": "gpt-4o", "choices": [choice], **members})


def _chat() -> Dialect:
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 200,
        "prompt_tokens_details": {"cached_tokens": 400},
        "completion_tokens_details": {"reasoning_tokens": 50},
    }
    calls = [
        {"index": n, "id": f"c{n}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        for n, name in enumerate(("look", "open"))
    ]
    usage_event = event({"id": "chatcmpl-1", "model": "gpt-4o", "choices": [], "usage": usage})

    def whole(message: Document, finish: str) -> Document:
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
        return {"id": "chatcmpl-1", "model": "gpt-4o", "choices": [choice], "usage": usage}

    def events(delta: Document, finish: str) -> list[bytes]:
        return [_chunk({"role": "assistant"}), _chunk(delta), _chunk({}, finish), usage_event, event("[DONE]")]

    ask = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Weather?"}]}
    plain_calls = [{k: v for k, v in call.items() if k != "index"} for call in calls]
    return Dialect(
        "chat_completions",
        "/v1/chat/completions",
        ask,
        whole({"content": TEXT}, "stop"),
        events({"content": TEXT}, "stop"),
        whole({"content": None, "tool_calls": plain_calls}, "tool_calls"),
        events({"tool_calls": calls}, "tool_calls"),
        ("stop", "tool_calls"),
        0.004,  # 600 * 2.5 + 400 * 1.25 + 200 * 10 millionths
    )


def _responses() -> Dialect:
    usage = {
        "input_tokens": 1000,
        "output_tokens": 200,
        "input_tokens_details": {"cached_tokens": 400},
        "output_tokens_details": {"reasoning_tokens": 50},
    }
    said = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": TEXT}]}
    calls = [
        {"type": "function_call", "id": f"i{n}", "call_id": f"c{n}", "name": name, "arguments": "{}"}
        for n, name in enumerate(("look", "open"))
    ]

    def whole(*output: Document) -> Document:
        return {"id": "resp_1", "model": "gpt-4o", "status": "completed", "output": list(output), "usage": usage}

    def events(*middle: Document, output: list[Document]) -> list[bytes]:
        begun = {"id": "resp_1", "model": "gpt-4o", "status": "in_progress", "output": []}
        documents = [
            {"type": "response.created", "response": begun},
            *middle,
            {"type": "response.completed", "response": whole(*output)},
        ]
        return [event(one, one["type"]) for one in documents]

    words = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": "m", "delta": TEXT}
    proposed = [
        {"type": f"response.output_item.{kind}", "output_index": n, "item": call}
        for n, call in enumerate(calls)
        for kind in ("added", "done")
    ]
    return Dialect(
        "responses",
        "/v1/responses",
        {"model": "gpt-4o", "input": "Weather?"},
        whole(said),
        events(words, output=[said]),
        whole(*calls),
        events(*proposed, output=calls),
        ("completed", "completed"),
        0.004,
    )


def _messages() -> Dialect:
    usage = {
        "input_tokens": 500,
        "cache_read_input_tokens": 400,
        "cache_creation_input_tokens": 100,
        "output_tokens": 200,
        "output_tokens_details": {"thinking_tokens": 50},
    }
    model = "claude-sonnet-4-5"
    calls = [{"type": "tool_use", "id": f"t{n}", "name": name, "input": {}} for n, name in enumerate(("look", "open"))]

    def whole(stop: str, *content: Document) -> Document:
        return {
            "id": "msg_1",
            "type": "message",
            "model": model,
            "content": content,
            "stop_reason": stop,
            "usage": usage,
        }

    def events(stop: str, *blocks: tuple[Document, Document | None]) -> list[bytes]:
        begun = {"id": "msg_1", "model": model, "content": [], "usage": {**usage, "output_tokens": 1}}
        documents: list[Document] = [{"type": "message_start", "message": begun}]
        for index, (block, delta) in enumerate(blocks):
            documents.append({"type": "content_block_start", "index": index, "content_block": block})
            if delta is not None:
                documents.append({"type": "content_block_delta", "index": index, "delta": delta})
            documents.append({"type": "content_block_stop", "index": index})
        documents.append({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 200}})
        documents.append({"type": "message_stop"})
        return [event(one, one["type"]) for one in documents]

    words = ({"type": "text", "text": ""}, {"type": "text_delta", "text": TEXT})
    pieces = [(call, {"type": "input_json_delta", "partial_json": "{}"}) for call in calls]
    return Dialect(
        "messages",
        "/v1/messages",
        {"model": model, "max_tokens": 500, "messages": [{"role": "user", "content": "Weather?"}]},
        whole("end_turn", {"type": "text", "text": TEXT}),
        events("end_turn", words),
        whole("tool_use", *calls),
        events("tool_use", *pieces),
        ("end_turn", "tool_use"),
        0.004995,  # 500 * 3 + 400 * 0.3 + 100 * 3.75 + 200 * 15 millionths
    )


DIALECTS = [_chat(), _responses(), _messages()]
EACH = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


async def _vitals(dialect: Dialect, said: bytes | Callable[..., Awaitable[None]], *, stream: bool) -> Vitals:
    async with ScriptedUpstream(said) as upstream, running_path(upstream.url) as path:
        await path.client.post(dialect.path, json={**dialect.ask, "stream": stream})
        return (await path.sightings.settled()).vitals


def _check_used(vitals: Vitals, dialect: Dialect) -> None:
    assert (vitals.input_tokens, vitals.output_tokens, vitals.usage_estimated) == (1000, 200, False)
    assert (vitals.cached_tokens, vitals.reasoning_tokens) == (400, 50)
    assert vitals.cost_usd == dialect.cost_usd
    assert (vitals.dialect, vitals.provider, vitals.model) == (dialect.name, "default", dialect.ask["model"])
    assert vitals.conversation is not None and (vitals.turn, vitals.retries) == (1, 0)
    assert vitals.ttft_ms is not None and 0 < vitals.ttft_ms <= vitals.latency_ms


@EACH
@BOTH
async def test_an_answer_is_measured_as_the_provider_counts(dialect: Dialect, stream: bool) -> None:
    said = sse_answer(dialect.text_events) if stream else json_answer(dialect.text)
    vitals = await _vitals(dialect, said, stream=stream)
    _check_used(vitals, dialect)
    assert (vitals.status, vitals.error_type, vitals.stream) == (200, None, stream)
    assert (vitals.finish_reason, vitals.tool_calls, vitals.tool_names) == (dialect.finish[0], 0, ())


@EACH
@BOTH
async def test_calls_are_counted_with_their_names(dialect: Dialect, stream: bool) -> None:
    said = sse_answer(dialect.call_events) if stream else json_answer(dialect.calls)
    vitals = await _vitals(dialect, said, stream=stream)
    _check_used(vitals, dialect)
    assert (vitals.finish_reason, vitals.tool_calls) == (dialect.finish[1], 2)
    assert (vitals.tool_names, vitals.denied_calls) == (("look", "open"), 0)


@EACH
@BOTH
@pytest.mark.parametrize("status", [400, 429, 500])
async def test_an_error_of_the_provider_costs_nothing(dialect: Dialect, stream: bool, status: int) -> None:
    vitals = await _vitals(dialect, json_answer({"error": {"message": "no"}}, status), stream=stream)
    assert (vitals.status, vitals.input_tokens, vitals.output_tokens, vitals.cost_usd) == (status, 0, 0, 0.0)
    assert (vitals.usage_estimated, vitals.stream, vitals.finish_reason) == (False, False, None)


def _until_text(dialect: Dialect) -> list[bytes]:
    """The events up to the text."""
    at = next(n for n, one in enumerate(dialect.text_events) if TEXT.encode() in one)
    return dialect.text_events[: at + 1]


@EACH
async def test_a_stream_that_breaks_off_is_charged_for_what_came(dialect: Dialect) -> None:
    async def breaks(request: Request, talk: Conversation) -> None:
        await talk.start()
        for one in _until_text(dialect):
            await talk.chunk(one)
        talk.close()

    vitals = await _vitals(dialect, breaks, stream=True)
    assert (vitals.status, vitals.error_type is not None, vitals.usage_estimated) == (200, True, True)
    assert vitals.output_tokens == len(TEXT) // 4
    assert vitals.cost_usd is not None and 0 < vitals.cost_usd < dialect.cost_usd


@EACH
async def test_a_caller_that_leaves_a_stream_is_charged_for_what_came(dialect: Dialect) -> None:
    async def goes_on(request: Request, talk: Conversation) -> None:
        await talk.start()
        for one in _until_text(dialect):
            await talk.chunk(one)
        await talk.hang()

    vitals = await _left(dialect, goes_on, TEXT.encode())
    assert (vitals.error_type, vitals.usage_estimated, vitals.stream) == ("client_gone", True, True)
    assert vitals.output_tokens == len(TEXT) // 4
    assert vitals.input_tokens == (1000 if dialect.name == "messages" else vitals.input_tokens) > 0
    assert vitals.ttft_ms is not None


@EACH
async def test_the_first_token_is_text_not_the_head_of_a_stream(dialect: Dialect) -> None:
    async def says_nothing(request: Request, talk: Conversation) -> None:
        await talk.start()
        await talk.chunk(dialect.text_events[0])
        await talk.hang()

    vitals = await _left(dialect, says_nothing, b"data: ")
    assert (vitals.error_type, vitals.ttft_ms) == ("client_gone", None)


async def _left(dialect: Dialect, script: Callable[..., Awaitable[None]], after: bytes) -> Vitals:
    body = json.dumps({**dialect.ask, "stream": True}).encode()
    async with ScriptedUpstream(script) as upstream, running_path(upstream.url) as path:
        async with await RawConnection.open(path.address) as caller:
            head = f"POST {dialect.path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
            await caller.send(head.encode() + body)
            await caller.reader.readuntil(after)
        return (await path.sightings.settled()).vitals


@EACH
async def test_a_refusal_of_the_gateway_costs_nothing(dialect: Dialect) -> None:
    async with running_path() as path:
        await path.client.post(f"/p/nobody{dialect.path}", json=dialect.ask)
        vitals = (await path.sightings.settled()).vitals
    assert (vitals.error_type, vitals.input_tokens, vitals.cost_usd) == ("invalid_request", 0, 0.0)


async def test_embeddings_are_measured_too() -> None:
    said = {"model": "text-embedding-3-small", "data": [], "usage": {"prompt_tokens": 1000, "total_tokens": 1000}}
    async with ScriptedUpstream(json_answer(said)) as upstream, running_path(upstream.url) as path:
        await path.client.post("/v1/embeddings", json={"model": "text-embedding-3-small", "input": "x"})
        vitals = (await path.sightings.settled()).vitals
    assert (vitals.input_tokens, vitals.output_tokens, vitals.cost_usd) == (1000, 0, 0.00002)
    assert vitals.conversation is None


@BOTH
async def test_a_cheaper_tier_of_service_is_cheaper(stream: bool) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    choice = {"index": 0, "message": {"content": "x"}, "delta": {"content": "x"}, "finish_reason": "stop"}
    said = {"id": "c", "model": "o3", "service_tier": "flex", "choices": [choice], "usage": usage}
    answer = sse_answer([event(said), event("[DONE]")]) if stream else json_answer(said)
    async with ScriptedUpstream(answer) as upstream, running_path(upstream.url) as path:
        ask = {"model": "o3", "messages": [], "service_tier": "flex", "stream": stream}
        await path.client.post("/v1/chat/completions", json=ask)
        vitals = (await path.sightings.settled()).vitals
    assert vitals.cost_usd == 0.0014  # half of 1000 * 2 + 100 * 8 millionths; prices as of January 2027


async def test_a_model_without_a_price_has_no_cost() -> None:
    said = {**DIALECTS[0].text, "model": "nobody-knows-it"}
    async with ScriptedUpstream(json_answer(said)) as upstream, running_path(upstream.url) as path:
        await path.client.post(DIALECTS[0].path, json={**DIALECTS[0].ask, "model": "nobody-knows-it"})
        vitals = (await path.sightings.settled()).vitals
    assert (vitals.cost_usd, vitals.input_tokens) == (None, 1000)


async def test_failures_and_repeats_that_a_request_reports_are_counted() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    turn = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "Error: nothing there"},
    ]
    ask = {**DIALECTS[0].ask, "messages": [{"role": "user", "content": "go"}, *turn, *turn]}
    async with ScriptedUpstream(json_answer(DIALECTS[0].text)) as upstream, running_path(upstream.url) as path:
        await path.client.post(DIALECTS[0].path, json=ask)
        vitals = (await path.sightings.settled()).vitals
    assert (vitals.turn, vitals.tool_errors, vitals.repeated_calls) == (3, 1, 1)
