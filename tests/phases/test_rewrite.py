"""The one change that every gateway makes: asking for usage, and hiding that it asked."""

import gzip
import json
from typing import Any

import pytest

from tests.support.path import running_path
from tests.support.upstream import ScriptedUpstream, event, sse_answer

USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


def frames(*, with_usage: bool) -> list[bytes]:
    extra: dict[str, Any] = {"usage": None} if with_usage else {}
    said = event({"id": "c", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}], **extra})
    counted = [event({"id": "c", "choices": [], "usage": USAGE})] if with_usage else []
    return [said, *counted, event("[DONE]")]


@pytest.mark.parametrize("path_of", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("options", [None, {}, {"include_usage": False, "other": 1}])
async def test_usage_is_asked_for_and_taken_out_again(path_of: str, options: dict[str, Any] | None) -> None:
    ask = {"model": "m", "prompt": "x", "messages": [], "stream": True}
    if options is not None:
        ask["stream_options"] = options
    async with ScriptedUpstream(sse_answer(frames(with_usage=True))) as upstream, running_path(upstream.url) as path:
        answer = await path.client.post(path_of, json=ask)
        seen = await path.sightings.settled()
    assert upstream.requests[0].json() == {**ask, "stream_options": {**(options or {}), "include_usage": True}}
    assert answer.content == b"".join(frames(with_usage=False))
    assert (seen.vitals.input_tokens, seen.vitals.output_tokens, seen.vitals.usage_estimated) == (7, 2, False)


async def test_a_caller_that_asks_for_usage_gets_it_and_its_body_is_not_touched() -> None:
    body = b'{"model":"m","messages":[],"stream":true,"stream_options" : {"include_usage":true}}'
    async with ScriptedUpstream(sse_answer(frames(with_usage=True))) as upstream, running_path(upstream.url) as path:
        answer = await path.client.post("/v1/chat/completions", content=body)
    assert upstream.requests[0].body == body
    assert answer.content == b"".join(frames(with_usage=True))


@pytest.mark.parametrize(
    ("path_of", "stream"), [("/v1/responses", True), ("/v1/messages", True), ("/v1/chat/completions", False)]
)
async def test_usage_is_never_asked_for_where_it_has_no_place(path_of: str, stream: bool) -> None:
    ask = {"model": "m", "input": "x", "max_tokens": 5, "messages": [], "stream": stream}
    async with ScriptedUpstream(sse_answer([event("[DONE]")])) as upstream, running_path(upstream.url) as path:
        await path.client.post(path_of, json=ask)
    assert upstream.requests[0].json() == ask


async def test_a_compressed_body_that_changes_travels_uncompressed() -> None:
    ask = {"model": "m", "messages": [], "stream": True}
    coded = gzip.compress(json.dumps(ask).encode())
    async with ScriptedUpstream(sse_answer(frames(with_usage=True))) as upstream, running_path(upstream.url) as path:
        await path.client.post("/v1/chat/completions", content=coded, headers={"content-encoding": "gzip"})
    assert upstream.requests[0].json() == {**ask, "stream_options": {"include_usage": True}}
    assert upstream.requests[0].header("content-encoding") is None
