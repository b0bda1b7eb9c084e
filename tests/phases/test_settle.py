"""What is recorded of an exchange."""

import pytest

from tests.support.path import running_path
from tests.support.upstream import ScriptedUpstream, json_answer

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
