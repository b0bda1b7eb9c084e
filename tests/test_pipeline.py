"""The path as a caller and a provider see it."""

import asyncio
import json
from typing import Any

import pytest

from gateway.model.errors import Refusal
from gateway.phases.timeouts import Timeouts
from tests.support.path import Path, running_path
from tests.support.raw_http import RawConnection
from tests.support.upstream import Conversation, Request, ScriptedUpstream, event, json_answer

CHAT = "/v1/chat/completions"
ASK = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
KEY = {"authorization": "Bearer sk-caller-0123456789"}


def text_event(text: str, finish: str | None = None) -> bytes:
    return event({"id": "c1", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]})


async def hang_before_the_head(request: Request, talk: Conversation) -> None:
    await talk.hang()


async def hang_in_the_stream(request: Request, talk: Conversation) -> None:
    await talk.start()
    await talk.chunk(text_event("partial"))
    await talk.hang()


def break_inspect(pipeline: Any) -> None:
    async def broken(*args: object) -> None:
        raise ZeroDivisionError("internal detail")

    pipeline.inspect = broken


async def test_an_answer_passes_with_its_headers_and_ours() -> None:
    said = {"id": "c1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}
    upstream_headers = [("x-request-id", "up-1"), ("x-ratelimit-remaining-requests", "9"), ("openai-version", "x")]
    async with (
        ScriptedUpstream(json_answer(said, headers=upstream_headers)) as upstream,
        running_path(upstream.url) as path,
    ):
        answer = await path.client.post(CHAT, json=ASK, headers={**KEY, "user-agent": "t/1"})
        seen = await path.sightings.settled()
    assert answer.json() == said
    assert {k: answer.headers[k] for k, _ in upstream_headers} == dict(upstream_headers)
    assert answer.headers["x-gateway-request-id"] == "req_1"
    assert answer.headers["x-gateway-agent-id"] == seen.agent.agent_id
    assert (seen.ok, seen.client, seen.vitals.status, seen.vitals.error_type) == (True, "t/1", 200, None)
    assert (seen.vitals.input_tokens, seen.vitals.output_tokens, seen.vitals.usage_estimated) == (3, 5, False)


async def test_an_unforeseen_error_is_a_refusal_without_details() -> None:
    async with ScriptedUpstream(json_answer({})) as upstream, running_path(upstream.url, change=break_inspect) as path:
        answer = await path.client.post(CHAT, json=ASK)
        seen = await path.sightings.settled()
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "detail" not in answer.text
    assert (seen.vitals.error_type, seen.ok) == ("internal_error", False)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_that_does_not_begin_is_a_timeout(stream: bool) -> None:
    timeouts = Timeouts(first_byte=0.05)
    async with (
        ScriptedUpstream(hang_before_the_head) as upstream,
        running_path(upstream.url, timeouts=timeouts) as path,
    ):
        answer = await path.client.post(CHAT, json={**ASK, "stream": stream})
        await upstream.client_gone()
        seen = await path.sightings.settled()
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
    assert seen.vitals.error_type == "upstream_timeout"


async def test_a_stream_that_stands_still_ends_with_an_error_in_band() -> None:
    async with (
        ScriptedUpstream(hang_in_the_stream) as upstream,
        running_path(upstream.url, timeouts=Timeouts(idle=0.05)) as path,
    ):
        answer = await path.client.post(CHAT, json={**ASK, "stream": True})
        await upstream.client_gone()
        seen = await path.sightings.settled()
    frames = answer.text.split("\n\n")
    assert (answer.status_code, frames[-1]) == (200, "")
    assert json.loads(frames[-2].removeprefix("data: "))["error"]["code"] == "upstream_timeout"
    assert "[DONE]" not in answer.text
    assert seen.vitals.usage_estimated and seen.vitals.output_tokens >= 1


async def test_a_whole_answer_has_a_deadline_however_it_moves() -> None:
    async def trickle(request: Request, talk: Conversation) -> None:
        await talk.start(200, [("content-type", "application/json")])
        while not talk.client_gone.is_set():
            await talk.chunk(b" ")
            await asyncio.sleep(0.005)

    async with (
        ScriptedUpstream(trickle) as upstream,
        running_path(upstream.url, timeouts=Timeouts(whole=0.1)) as path,
    ):
        answer = await path.client.post(CHAT, json=ASK)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")


@pytest.mark.parametrize("script", [hang_before_the_head, hang_in_the_stream])
async def test_a_caller_that_leaves_is_noticed_at_the_provider(script: Any) -> None:
    async with ScriptedUpstream(script) as upstream, running_path(upstream.url) as path:
        body = json.dumps({**ASK, "stream": True}).encode()
        async with await RawConnection.open(path.address) as caller:
            await caller.send(b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (CHAT.encode(), len(body)))
            await caller.send(body)
            await upstream.arrived()
        await upstream.client_gone()
        seen = await path.sightings.settled()
        assert not path.pipeline.active
    assert seen.vitals.error_type == "client_gone"


async def test_a_caller_that_leaves_in_its_body_is_settled_and_no_provider_is_asked() -> None:
    async with ScriptedUpstream() as upstream, running_path(upstream.url) as path:
        async with await RawConnection.open(path.address) as caller:
            await caller.send(b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{" % CHAT.encode())
            async with asyncio.timeout(10):
                while not path.pipeline.active:
                    await asyncio.sleep(0)
        seen = await path.sightings.settled()
        assert not upstream.requests
    assert seen.vitals.error_type == "client_gone"


async def test_every_exchange_is_settled_once() -> None:
    async with ScriptedUpstream(json_answer({"choices": []})) as upstream, running_path(upstream.url) as path:
        bodies = [json.dumps(ASK), "{", "[]", json.dumps({**ASK, "model": "stub-error-500"}), json.dumps(ASK)]
        statuses = [(await path.client.post(CHAT, content=body)).status_code for body in bodies]
        await path.sightings.settled(len(bodies))
    assert statuses == [200, 400, 400, 500, 200]
    assert [seen.vitals.status for seen in path.sightings.all] == statuses


async def test_an_interruption_from_outside_ends_a_stream_in_its_own_dialect() -> None:
    async with ScriptedUpstream(hang_in_the_stream) as upstream, running_path(upstream.url) as path:

        async def cut() -> None:
            await upstream.arrived()
            async with asyncio.timeout(10):
                while not any(exchange.streaming for exchange in path.pipeline.active):
                    await asyncio.sleep(0)
            for exchange in tuple(path.pipeline.active):
                tasks.append(exchange.task)
                exchange.interrupt(Refusal("agent_quarantined", "This agent is quarantined (inc_1)."))

        tasks: list[Any] = []
        answer, _ = await asyncio.gather(path.client.post(CHAT, json={**ASK, "stream": True}), cut())
        await asyncio.wait(tasks)
    assert '"code":"agent_quarantined"' in answer.text
    assert [(task.cancelling(), task.cancelled()) for task in tasks] == [(0, False)]


async def _refused(path: Path, **request: Any) -> tuple[int, str, str | None]:
    answer = await path.client.post(CHAT, **request)
    assert answer.headers["x-gateway-request-id"]
    return answer.status_code, answer.json()["error"]["code"], answer.headers.get("x-should-retry")


async def test_bad_requests_name_what_is_wrong_and_are_not_worth_a_retry() -> None:
    duplicate = b'{"model":"a","model":"b","messages":[]}'
    async with running_path() as path:
        assert await _refused(path, content=duplicate) == (400, "duplicate_key", "false")
        assert await _refused(path, content=b"\xff") == (400, "invalid_request", "false")
        assert await _refused(path, content=b"[" * 100_000) == (400, "invalid_request", "false")
        assert await _refused(path, content=b"x" * 1_000_001) == (413, "payload_too_large", "false")
        two = {"authorization": "Bearer a", "x-api-key": "b"}
        assert await _refused(path, json=ASK, headers=two) == (400, "invalid_request", "false")
        ours = {"authorization": b"Bearer own-admin-key-0123456789"}
        assert await _refused(path, json=ASK, headers=ours) == (401, "invalid_api_key", "false")
        issued = {"authorization": "Bearer agk_abcdefgh_secret"}
        assert await _refused(path, json=ASK, headers=issued) == (401, "invalid_api_key", "false")


async def flood_then_break(request: Request, talk: Conversation) -> None:
    """More than a caller takes that does not read, then something nobody can judge."""
    await talk.start()
    await talk.chunk(text_event("x" * 3_000_000))
    await talk.chunk(b'data: {"tool_calls": what?\n\n')
    await talk.hang()


async def break_and_hang(request: Request, talk: Conversation) -> None:
    await talk.start()
    await talk.chunk(text_event("partial"))
    await talk.chunk(b'data: {"tool_calls": what?\n\n')
    await talk.hang()


async def test_a_provider_whose_answer_was_refused_is_left_at_once() -> None:
    async with ScriptedUpstream(break_and_hang) as upstream, running_path(upstream.url) as path:
        answer = await path.client.post(CHAT, json={**ASK, "stream": True})
        await upstream.client_gone()
    assert '"code":"upstream_invalid"' in answer.text


async def test_a_caller_that_leaves_instead_of_reading_its_refusal_is_gone() -> None:
    body = json.dumps({**ASK, "stream": True}).encode()
    async with ScriptedUpstream(flood_then_break) as upstream, running_path(upstream.url) as path:
        async with await RawConnection.open(path.address, receive_buffer=4096, limit=4096) as caller:
            await caller.send(b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (CHAT.encode(), len(body)))
            await caller.send(body)
            async with asyncio.timeout(10):
                while not any(exchange.failure for exchange in path.pipeline.active):
                    await asyncio.sleep(0)
            (exchange,) = path.pipeline.active
            assert isinstance(exchange.failure, Refusal) and exchange.failure.code == "upstream_invalid"
            caller.reset()
        seen = await path.sightings.settled()
        assert not path.pipeline.active
    assert seen.vitals.error_type == "client_gone"


async def test_a_cancellation_that_is_no_interruption_is_not_swallowed() -> None:
    async with ScriptedUpstream(hang_in_the_stream) as upstream, running_path(upstream.url) as path:
        async with await RawConnection.open(path.address) as caller:
            body = json.dumps({**ASK, "stream": True}).encode()
            await caller.send(b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (CHAT.encode(), len(body)))
            await caller.send(body)
            await caller.reader.readuntil(b"partial")
            (exchange,) = path.pipeline.active
            task = exchange.task
            assert isinstance(task, asyncio.Task)
            task.cancel()
            await asyncio.wait({task}, timeout=10)
            assert task.cancelled()
            answer = await caller.read_until_end()
        await upstream.client_gone()
        await path.sightings.settled()
        assert len(path.sightings.all) == 1 and not path.pipeline.active
    assert not answer.endswith(b"0\r\n\r\n")
