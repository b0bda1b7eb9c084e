"""What is recorded of an exchange."""

import json
from collections.abc import Awaitable, Callable

import pytest

from gateway.phases.timeouts import Timeouts
from tests.support.path import running_path
from tests.support.raw_http import RawConnection
from tests.support.upstream import Conversation, Request, ScriptedUpstream, event, json_answer, sse_answer

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(("sent", "retries"), [(None, 0), ("2", 2), ("-1", 0), ("x", 0), ("99999", 0)])
async def test_the_clients_own_count_of_retries_is_read(sent: str | None, retries: int) -> None:
    async with running_path() as path:
        headers = {"x-stainless-retry-count": sent} if sent else {}
        await path.client.post(CHAT, json={"model": "stub-echo", "messages": []}, headers=headers)
        seen = await path.sightings.settled()
    assert seen.vitals.retries == retries


async def test_missing_usage_is_estimated_and_never_nothing() -> None:
    said = {"choices": [{"index": 0, "message": {"content": "x" * 400}, "finish_reason": "stop"}]}
    async with ScriptedUpstream(json_answer(said)) as upstream, running_path(upstream.url) as path:
        await path.client.post(CHAT, json={"model": "m", "messages": [{"role": "user", "content": "y" * 4000}]})
        seen = await path.sightings.settled()
    assert seen.vitals.usage_estimated
    assert (900 < seen.vitals.input_tokens < 1100, seen.vitals.output_tokens) == (True, 100)


@pytest.mark.parametrize("counts", [(-1_000_000, 5), (5, -1), (2**63, 5), (5, 10**12)])
async def test_usage_that_no_answer_can_have_is_estimated(counts: tuple[int, int]) -> None:
    usage = {"prompt_tokens": counts[0], "completion_tokens": counts[1]}
    said = {"choices": [{"index": 0, "message": {"content": "x" * 400}, "finish_reason": "stop"}], "usage": usage}
    async with ScriptedUpstream(json_answer(said)) as upstream, running_path(upstream.url) as path:
        await path.client.post(CHAT, json={"model": "m", "messages": [{"role": "user", "content": "y" * 4000}]})
        seen = await path.sightings.settled()
    assert seen.vitals.usage_estimated
    assert (900 < seen.vitals.input_tokens < 1100, seen.vitals.output_tokens) == (True, 100)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_smallest_exchange_without_usage_counts_a_token_each_way(stream: bool) -> None:
    body = b'{"stream":true}' if stream else b"{}"
    said = sse_answer([event("[DONE]")]) if stream else json_answer({"choices": []})
    async with ScriptedUpstream(said) as upstream, running_path(upstream.url) as path:
        await path.client.post(CHAT, content=body)
        seen = await path.sightings.settled()
    assert seen.vitals.usage_estimated
    assert (seen.vitals.input_tokens, seen.vitals.output_tokens) == (len(body) // 4 or 1, 1)


async def _before_the_head(request: Request, talk: Conversation) -> None:
    await talk.hang()


async def _in_the_body(request: Request, talk: Conversation) -> None:
    await talk.start(200, [("content-type", "application/json")])
    await talk.chunk(b'{"choices":')
    await talk.hang()


async def _in_the_stream(request: Request, talk: Conversation) -> None:
    await talk.start()
    await talk.chunk(event({"choices": [{"index": 0, "delta": {"content": "x" * 400}}]}))
    await talk.hang()


LEFT = [(_before_the_head, 1), (_in_the_body, 1), (_in_the_stream, 100)]


@pytest.mark.parametrize(("script", "produced"), LEFT)
async def test_a_caller_that_leaves_is_charged_for_what_was_produced(
    script: Callable[[Request, Conversation], Awaitable[None]], produced: int
) -> None:
    ask = {"model": "m", "stream": produced > 1, "messages": [{"role": "user", "content": "y" * 4000}]}
    body = json.dumps(ask).encode()
    async with ScriptedUpstream(script) as upstream, running_path(upstream.url) as path:
        async with await RawConnection.open(path.address) as caller:
            await caller.send(b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (CHAT.encode(), len(body)))
            await caller.send(body)
            await upstream.arrived()
            if produced > 1:
                await caller.reader.readuntil(b"xxx")
        seen = await path.sightings.settled()
    assert (seen.vitals.error_type, seen.vitals.usage_estimated) == ("client_gone", True)
    assert (900 < seen.vitals.input_tokens < 1100, seen.vitals.output_tokens) == (True, produced)


async def test_a_stream_that_is_left_is_charged_for_reasoning_that_nobody_sees_at_its_tier_of_service() -> None:
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 600,
        "completion_tokens_details": {"reasoning_tokens": 500},
    }
    head = {"id": "c", "model": "o3", "service_tier": "flex"}
    text = event({**head, "choices": [{"index": 0, "delta": {"content": "x" * 400}, "finish_reason": "stop"}]})

    async def script(request: Request, talk: Conversation) -> None:
        await talk.start()
        await talk.chunk(event({**head, "choices": [{"index": 0, "delta": {"role": "assistant"}}]}))
        if len(upstream.requests) == 1:
            await talk.chunk(text + event({**head, "choices": [], "usage": usage}) + event("[DONE]"))
            await talk.end()
        else:
            talk.close()

    ask = {"model": "o3", "stream": True, "messages": [{"role": "user", "content": "y" * 4000}]}
    async with ScriptedUpstream(script) as upstream, running_path(upstream.url) as path:
        await path.client.post(CHAT, json=ask)
        whole = (await path.sightings.settled()).vitals
        await path.client.post(CHAT, json=ask)
        left = (await path.sightings.settled(2)).vitals
    assert (whole.output_tokens, whole.usage_estimated) == (600, False)
    assert (left.output_tokens, left.reasoning_tokens, left.usage_estimated) == (500, 500, True)
    assert whole.cost_usd is not None and left.cost_usd is not None
    assert left.cost_usd == pytest.approx(whole.cost_usd - 100 * 4e-6)


async def test_an_answer_that_takes_too_long_is_charged_too_and_a_provider_that_is_not_there_is_not() -> None:
    ask = {"model": "m", "messages": [{"role": "user", "content": "y" * 4000}]}
    timeouts = Timeouts(first_byte=0.05)
    async with ScriptedUpstream(_before_the_head) as upstream, running_path(upstream.url, timeouts=timeouts) as path:
        await path.client.post(CHAT, json=ask)
        late = await path.sightings.settled()
    async with running_path() as path:
        await path.client.post(CHAT, json=ask)
        nobody = await path.sightings.settled()
    assert (late.vitals.error_type, late.vitals.usage_estimated) == ("upstream_timeout", True)
    assert late.vitals.input_tokens > 900
    assert (nobody.vitals.error_type, nobody.vitals.input_tokens) == ("upstream_unavailable", 0)


async def test_an_agent_is_worth_knowing_once_a_provider_has_answered_it() -> None:
    async with running_path() as path:
        for model in ("stub-error-500", "stub-nobody", "stub-echo"):
            await path.client.post(CHAT, json={"model": model, "messages": []})
        await path.sightings.settled(3)
    assert [seen.ok for seen in path.sightings.all] == [False, False, True]


async def test_the_tools_a_caller_offers_are_noted() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("a", "b")]
    async with running_path() as path:
        await path.client.post(CHAT, json={"model": "stub-echo", "messages": [], "tools": tools})
        seen = await path.sightings.settled()
    assert seen.tools == ("a", "b")
    assert seen.vitals.finish_reason == "stop"
