"""Where requests go, and what goes along."""

from typing import Any
from urllib.parse import quote

import pytest

from gateway.model.exchange import Exchange
from gateway.upstream.providers import Provider
from tests.support.path import OWN_KEY, running_path
from tests.support.upstream import ScriptedUpstream, answer, json_answer

CHAT = "/v1/chat/completions"
ASK: dict[str, Any] = {"model": "gpt-4o", "messages": []}
CALLER = {"authorization": "Bearer sk-caller"}
SAID = json_answer({"choices": []})


async def test_the_callers_credential_goes_to_the_default_provider_as_it_came() -> None:
    sent = {"api-key": "azure-style", "traceparent": "00-1-2-01", "x-stainless-lang": "python"}
    ours = {"x-agent-id": "a", "x-agent-session": "s", "x-intent-token": "t", "x-gateway-execution": "plan_only"}
    async with ScriptedUpstream(SAID) as upstream, running_path(upstream.url) as path:
        await path.client.post(CHAT, json=ASK, headers={**sent, **ours})
    request = upstream.requests[0]
    assert {name: request.header(name) for name in sent} == sent
    assert [name for name in ours if request.all(name)] == []
    assert request.header("host") == upstream.url.removeprefix("http://")


async def test_what_claude_code_sends_reaches_the_provider() -> None:
    sent = {
        "x-api-key": "sk-ant-1",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14",
        "x-claude-code-session-id": "b2c4",
        "x-stainless-retry-count": "1",
        "user-agent": "claude-cli/2.1.0",
    }
    ask = {"model": "claude", "max_tokens": 5, "messages": []}
    async with ScriptedUpstream(json_answer({"content": []})) as upstream, running_path(upstream.url) as path:
        await path.client.post("/v1/messages?beta=true", json=ask, headers=sent)
    request = upstream.requests[0]
    assert {name: request.header(name) for name in sent} == sent
    assert request.target == b"/v1/messages?beta=true"


async def test_a_callers_credential_goes_to_no_other_provider() -> None:
    async with ScriptedUpstream(SAID) as default, ScriptedUpstream(SAID) as other:
        named = (Provider("other", other.url, api_key="sk-own", api_key_env="OTHER_KEY", models=("claude-*",)),)
        async with running_path(default.url, named=named) as path:
            by_path = await path.client.post("/p/other/v1/chat/completions", json=ASK, headers=CALLER)
            by_model = await path.client.post(CHAT, json={**ASK, "model": "claude-x"}, headers=CALLER)
    assert not other.requests and not default.requests
    for refused in (by_path, by_model):
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
        assert "OTHER_KEY" in refused.text and "sk-own" not in refused.text


async def test_a_provider_the_caller_makes_up_is_refused() -> None:
    async with running_path() as path:
        refused = await path.client.post("/p/evil.example/v1/chat/completions", json=ASK, headers=CALLER)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("member", ["base_url", "api_base", "api_key", "url", "custom_llm_provider", "proxy"])
async def test_nothing_in_a_request_chooses_an_address(member: str) -> None:
    async with ScriptedUpstream(SAID) as upstream, ScriptedUpstream(SAID) as evil, running_path(upstream.url) as path:
        headers = {**CALLER, "x-forwarded-host": evil.url, "x-base-url": evil.url, "forwarded": f"host={evil.url}"}
        await path.client.post(CHAT, params={member: evil.url}, json={**ASK, member: evil.url}, headers=headers)
    assert not evil.requests
    assert upstream.requests[0].json()[member] == evil.url


async def test_the_stub_gets_no_credential_and_needs_none() -> None:
    async with running_path() as path:
        said = await path.client.post(CHAT, json={**ASK, "model": "stub-echo"}, headers=CALLER)
        seen = await path.sightings.settled()
    assert (said.status_code, seen.vitals.provider) == (200, "stub")


async def test_a_provider_that_cannot_be_reached_is_a_502_without_its_address() -> None:
    async with running_path("http://127.0.0.1:1") as path:
        refused = await path.client.post(CHAT, json=ASK, headers=CALLER)
    assert (refused.status_code, refused.json()["error"]["code"]) == (502, "upstream_unavailable")
    assert "127.0.0.1" not in refused.text


async def test_a_failing_provider_is_left_alone_for_a_while() -> None:
    failing = answer(500, b'{"error":{}}')
    async with ScriptedUpstream(failing) as upstream, running_path(upstream.url) as path:
        for number in range(8):
            headers = {"authorization": f"Bearer sk-{number % 2}"}
            last = await path.client.post(CHAT, json=ASK, headers=headers)
        other_model = await path.client.post(CHAT, json={**ASK, "model": "other"}, headers=CALLER)
    assert len(upstream.requests) == 6
    assert (last.status_code, last.json()["error"]["code"]) == (503, "upstream_unavailable")
    assert 1 <= int(last.headers["retry-after"]) <= 60
    assert other_model.status_code == 500


@pytest.mark.parametrize(
    ("sent", "target"),
    [
        ("/v1/models/org%2Fname?x=%20a&y", b"/v1/models/org%2Fname?x=%20a&y"),
        ("/models", b"/v1/models"),
        ("//v1//files/", b"/v1/files"),
        ("/openai/v1/models", b"/v1/models"),
    ],
)
async def test_the_provider_gets_the_canonical_path_and_the_query_as_sent(sent: str, target: bytes) -> None:
    async with ScriptedUpstream(json_answer({"data": []})) as upstream, running_path(upstream.url) as path:
        await path.client.get(f"{path.url}{sent}", headers=CALLER)
    assert upstream.requests[0].target == target


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE", "PATCH", "PUT", "GET", "POST"])
async def test_every_method_is_relayed(method: str) -> None:
    async with ScriptedUpstream(answer(200)) as upstream, running_path(upstream.url) as path:
        said = await path.client.request(method, "/v1/files/file-1", headers=CALLER)
    assert (said.status_code, upstream.requests[0].method) == (200, method)


@pytest.mark.parametrize(
    "sent", [{"headers": {"x-note": f"key={OWN_KEY.decode()}"}}, {"params": {"k": OWN_KEY.decode()}}]
)
async def test_the_gateways_own_key_leaves_nowhere(sent: dict[str, Any]) -> None:
    async with ScriptedUpstream(SAID) as upstream, running_path(upstream.url) as path:
        refused = await path.client.post(CHAT, json=ASK, **sent)
        assert not upstream.requests
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


AGENT_KEY = "agk_a1b2c3d4_" + "x" * 38


@pytest.mark.parametrize("key", [OWN_KEY.decode(), AGENT_KEY])
@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("place", ["path", "query", "header", "credential"])
async def test_a_key_of_the_gateway_leaves_in_no_encoding(key: str, times: int, place: str) -> None:
    encoded = f"%{ord(key[0]):02X}{key[1:]}"
    for _ in range(times - 1):
        encoded = quote(encoded)
    url = f"/v1/files/{encoded}" if place == "path" else f"/v1/files?k={encoded}" if place == "query" else "/v1/files"
    headers = {"x-note": encoded} if place == "header" else {"x-api-key": encoded if place == "credential" else "sk-1"}
    async with ScriptedUpstream(SAID) as upstream, running_path(upstream.url) as path:
        refused = await path.client.get(f"{path.url}{url}", headers=headers)
        assert not upstream.requests
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    assert key not in refused.text


async def test_other_encoded_text_leaves_as_it_came() -> None:
    headers = {**CALLER, "x-note": "100%25 %41gk_"}
    async with ScriptedUpstream(SAID) as upstream, running_path(upstream.url) as path:
        await path.client.get(f"{path.url}/v1/files?k=%252561gk_", headers=headers)
    assert upstream.requests[0].target == b"/v1/files?k=%252561gk_"
    assert upstream.requests[0].header("x-note") == "100%25 %41gk_"


async def test_a_stub_model_that_always_fails_goes_on_failing_for_all_agents() -> None:
    async with running_path() as running:
        for number in range(8):
            said = await running.client.post(
                "/v1/chat/completions",
                json={"model": "stub-error-500", "messages": [{"role": "user", "content": "Hello"}]},
                headers={"authorization": f"Bearer sk-agent-number-{number % 3}"},
            )
            assert said.status_code == 500


async def test_a_request_goes_where_it_was_priced_unless_that_provider_is_configured_no_more() -> None:
    other, gone = Provider("other", "https://other.test"), Provider("gone", "https://gone.test")
    chosen = [other, gone]

    def price(exchange: Exchange) -> None:
        exchange.chosen = chosen.pop(0)

    async with (
        ScriptedUpstream(SAID) as upstream,
        running_path(upstream.url, named=(other,), gates=(price,)) as path,
    ):
        elsewhere = await path.client.post(CHAT, json=ASK, headers=CALLER)
        default = await path.client.post(CHAT, json=ASK, headers=CALLER)
    assert (elsewhere.status_code, default.status_code) == (401, 200)  # a caller's credential stays with the default
    assert len(upstream.requests) == 1
