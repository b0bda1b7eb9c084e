"""Agent keys as SDKs send them: over a real gateway with two workers, before a scripted provider."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import jwt
import openai
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.identity.issued_key import ALPHABET
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer
from tests.support.upstream import SSE, Conversation, Request, ThreadedUpstream, event, json_answer, threaded

OWN_KEY = "sk-provider-own-0123456789"
INGEST_KEY = "igk-Zt7RwQ2mXv9LpKdB"
COMPLETION = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
MESSAGE = {
    "id": "m1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
ASKED: Any = [{"role": "user", "content": "Hello"}]
CHAT = {"model": "gpt-4o", "messages": ASKED}


@pytest.fixture(scope="module")
def provider() -> Iterator[ThreadedUpstream]:
    with threaded(json_answer(COMPLETION)) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer, provider: ThreadedUpstream, tmp_path_factory: Any) -> Iterator[GatewayProcess]:
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": "keys:",
        "GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("keys")),
        "LLM_UPSTREAM_URL": provider.url,
        "LLM_UPSTREAM_API_KEY": OWN_KEY,
        "INGEST_API_KEY": INGEST_KEY,
    }
    with running_gateway("--workers", "2", env=env) as process:
        yield process


def admin(gateway: GatewayProcess, method: str, path: str, body: Any = None) -> httpx.Response:
    headers = {"x-admin-key": ADMIN_KEY}
    return httpx.request(method, f"{gateway.url}/api/gateway{path}", json=body, headers=headers, timeout=20)


def new_agent(gateway: GatewayProcess, name: str) -> tuple[str, str, str]:
    """(agent id, key id, key)"""
    agent_id = admin(gateway, "POST", "/agents", {"name": name}).json()["agent_id"]
    made = admin(gateway, "POST", f"/agents/{agent_id}/keys").json()
    return agent_id, made["key_id"], made["api_key"]


def ask(gateway: GatewayProcess, **headers: str) -> httpx.Response:
    """On a connection of its own, so that any worker may get it."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=CHAT, headers=sent, timeout=20)


def last(provider: ThreadedUpstream) -> Request:
    return provider.requests[-1]


def test_the_provider_sees_its_own_key_and_never_the_agents(
    gateway: GatewayProcess, provider: ThreadedUpstream
) -> None:
    agent_id, _, key = new_agent(gateway, "sdk")
    provider.inner.script = json_answer(COMPLETION)
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=ASKED)
    assert raw.headers["x-gateway-agent-id"] == agent_id
    assert last(provider).header("authorization") == f"Bearer {OWN_KEY}"
    provider.inner.script = json_answer(MESSAGE)
    anthropic.Anthropic(base_url=gateway.url, api_key=key, max_retries=0).messages.create(
        model="claude", max_tokens=9, messages=ASKED
    )
    for request in provider.requests:
        leaving = request.head + request.body
        assert key.encode() not in leaving and not re.search(rb"\b(agk|adk|igk)_", leaving)


def test_an_agent_key_may_come_beside_the_providers(gateway: GatewayProcess, provider: ThreadedUpstream) -> None:
    agent_id, _, key = new_agent(gateway, "beside")
    provider.inner.script = json_answer(COMPLETION)
    answer = ask(gateway, authorization="Bearer sk-the-agents-own", x_agent_key=key)
    assert (answer.status_code, answer.headers["x-gateway-agent-id"]) == (200, agent_id)
    assert last(provider).header("authorization") == "Bearer sk-the-agents-own"
    assert last(provider).header("x-agent-key") is None
    assert ask(gateway, authorization=f"Bearer {key}", x_agent_key=key).status_code == 200
    other = new_agent(gateway, "beside-2")[2]
    assert ask(gateway, authorization=f"Bearer {key}", x_agent_key=other).status_code == 400


def test_a_revoked_key_is_refused_at_once_on_every_worker(gateway: GatewayProcess, provider: ThreadedUpstream) -> None:
    agent_id, key_id, key = new_agent(gateway, "revoked")
    provider.inner.script = json_answer(COMPLETION)
    assert {ask(gateway, api_key=key).status_code for _ in range(12)} == {200}
    asked = len(provider.requests)
    assert admin(gateway, "DELETE", f"/agents/{agent_id}/keys/{key_id}").status_code == 204
    answers = [ask(gateway, api_key=key) for _ in range(12)]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["error"]["code"] for answer in answers} == {"invalid_api_key"}
    assert len(provider.requests) == asked
    assert admin(gateway, "DELETE", f"/agents/{agent_id}/keys/{key_id}").status_code == 204


def test_the_open_stream_of_a_revoked_key_is_cut(gateway: GatewayProcess, provider: ThreadedUpstream) -> None:
    agent_id, key_id, key = new_agent(gateway, "cut")

    async def script(request: Request, talk: Conversation) -> None:
        await talk.start(200, SSE)
        await talk.chunk(event({"choices": [{"index": 0, "delta": {"content": "a"}}]}))
        await asyncio.wait_for(talk.client_gone.wait(), 20)

    provider.inner.script = script
    body = {**CHAT, "stream": True}
    with httpx.stream(
        "POST", f"{gateway.url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}, timeout=20
    ) as answer:
        text = answer.iter_text()
        assert '"a"' in next(text)
        assert admin(gateway, "DELETE", f"/agents/{agent_id}/keys/{key_id}").status_code == 204
        rest = "".join(text)
    assert "invalid_api_key" in rest and "[DONE]" not in rest


def test_other_keys_of_the_agent_stay_good_and_a_replaced_one_has_its_grace(
    gateway: GatewayProcess, provider: ThreadedUpstream
) -> None:
    agent_id, first, key = new_agent(gateway, "rotated")
    provider.inner.script = json_answer(COMPLETION)
    second = admin(gateway, "POST", f"/agents/{agent_id}/keys", {"replaces": first, "grace_seconds": 3600}).json()
    assert ask(gateway, api_key=key).status_code == ask(gateway, api_key=second["api_key"]).status_code == 200
    third = admin(
        gateway, "POST", f"/agents/{agent_id}/keys", {"replaces": second["key_id"], "grace_seconds": 0}
    ).json()
    assert ask(gateway, api_key=second["api_key"]).status_code == 401
    assert ask(gateway, api_key=third["api_key"]).status_code == 200
    listed = admin(gateway, "GET", f"/agents/{agent_id}/keys").json()["items"]
    assert [key["key_id"] for key in listed] == [first, third["key_id"]]
    assert listed[0]["expires_at"] is not None and "api_key" not in listed[0]


def test_an_agent_that_is_deactivated_or_deleted_is_refused(
    gateway: GatewayProcess, provider: ThreadedUpstream
) -> None:
    agent_id, _, key = new_agent(gateway, "inactive")
    provider.inner.script = json_answer(COMPLETION)
    assert ask(gateway, api_key=key).status_code == 200
    assert admin(gateway, "PATCH", f"/agents/{agent_id}", {"active": False}).json()["active"] is False
    refused = {ask(gateway, api_key=key).json()["error"]["code"] for _ in range(6)}
    assert refused == {"agent_quarantined"}
    admin(gateway, "PATCH", f"/agents/{agent_id}", {"active": True})
    assert ask(gateway, api_key=key).status_code == 200
    assert admin(gateway, "DELETE", f"/agents/{agent_id}").status_code == 204
    assert {ask(gateway, api_key=key).status_code for _ in range(6)} == {401}
    assert admin(gateway, "GET", f"/agents/{agent_id}").status_code == 404
    assert admin(gateway, "DELETE", f"/agents/{agent_id}").status_code == 204


@pytest.mark.parametrize("shown", [ADMIN_KEY, INGEST_KEY, "agk_nonsense", "adk_" + "0" * 47, "igk_1"])
def test_no_other_key_of_ours_opens_the_data_plane(
    gateway: GatewayProcess, provider: ThreadedUpstream, shown: str
) -> None:
    asked = len(provider.requests)
    for header in ("authorization", "x_api_key", "api_key", "x_agent_key"):
        answer = ask(gateway, **{header: shown})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        assert shown not in answer.text
    assert len(provider.requests) == asked


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/files?key={key}", {}),
        ("/v1/files?key=%61{tail}", {}),
        ("/v1/files/{key}", {}),
        ("/v1/files", {"x-note": "use {key}"}),
        ("/v1/files", {"cookie": "key={key}"}),
    ],
)
def test_an_agent_key_leaves_nowhere_wherever_it_is_put(
    gateway: GatewayProcess, provider: ThreadedUpstream, path: str, headers: dict[str, str]
) -> None:
    key = "agk_a1b2c3d4_" + "x" * 38
    sent = {name: value.format(key=key) for name, value in headers.items()}
    asked = len(provider.requests)
    answer = httpx.get(gateway.url + path.format(key=key, tail=key[1:]), headers=sent, timeout=20)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert len(provider.requests) == asked and key not in answer.text


def test_a_mistyped_key_is_refused_without_a_look_up(
    provider: ThreadedUpstream, own_redis: RedisServer, tmp_path: Path
) -> None:
    env = {
        "GATEWAY_REDIS_URL": own_redis.url,
        "GATEWAY_DATA_DIR": str(tmp_path),
        "LLM_UPSTREAM_URL": provider.url,
        "LLM_UPSTREAM_API_KEY": OWN_KEY,
        "GATEWAY_REQUIRE_AGENT_KEY": "true",
    }
    provider.inner.script = json_answer(COMPLETION)
    with running_gateway(env=env) as gateway:
        _, _, key = new_agent(gateway, "typist")
        unseen = new_agent(gateway, "unseen")[2]
        assert ask(gateway, api_key=key).status_code == 200
        assert ask(gateway, api_key="sk-any").json()["error"]["code"] == "invalid_api_key"
        own_redis.kill()
        wrong = key[:20] + next(letter for letter in ALPHABET if letter != key[20]) + key[21:]
        assert ask(gateway, api_key=wrong).status_code == 401
        known, unknown = ask(gateway, api_key=key), ask(gateway, api_key=unseen)
        assert known.status_code == 200
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (503, "state_unavailable")


def test_a_workload_with_a_token_needs_no_key(
    provider: ThreadedUpstream, shared_redis: RedisServer, tmp_path: Path
) -> None:
    signer = ec.generate_private_key(ec.SECP256R1())
    shown = jwt.algorithms.ECAlgorithm.to_jwk(signer.public_key(), as_dict=True)
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [{**shown, "kid": "k1"}]}))
    issuer = {"issuer": "https://issuer.example", "audience": "leuko", "jwks": str(tmp_path / "jwks.json")}
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": "jwt:",
        "GATEWAY_DATA_DIR": str(tmp_path),
        "LLM_UPSTREAM_URL": provider.url,
        "LLM_UPSTREAM_API_KEY": OWN_KEY,
        "GATEWAY_REQUIRE_AGENT_KEY": "true",
        "GATEWAY_JWT": json.dumps(issuer),
    }

    def token(**claims: Any) -> str:
        said = {"iss": issuer["issuer"], "aud": "leuko", "sub": "billing", "exp": time.time() + 600, **claims}
        return jwt.encode(said, signer, "ES256", headers={"kid": "k1"})

    provider.inner.script = json_answer(COMPLETION)
    with running_gateway(env=env) as gateway:
        answer = ask(gateway, authorization=f"Bearer {token()}")
        assert answer.status_code == 200, answer.text
        assert last(provider).header("authorization") == f"Bearer {OWN_KEY}"
        assert token().encode()[:60] not in last(provider).head
        agent_id = answer.headers["x-gateway-agent-id"]
        eventually(lambda: admin(gateway, "GET", f"/agents/{agent_id}").status_code == 200)
        shown_agent = admin(gateway, "GET", f"/agents/{agent_id}").json()
        assert (shown_agent["name"], shown_agent["verified"]) == ("billing", True)
        beside = ask(gateway, authorization="Bearer sk-own", x_agent_key=token(exp=time.time() + 900))
        assert (beside.status_code, beside.headers["x-gateway-agent-id"]) == (200, agent_id)
        assert last(provider).header("authorization") == "Bearer sk-own"
        for wrong in (token(aud="other"), token(exp=time.time() - 60), token(iss="https://other.example")):
            assert ask(gateway, authorization=f"Bearer {wrong}").json()["error"]["code"] == "invalid_api_key"
        assert admin(gateway, "PATCH", f"/agents/{agent_id}", {"active": False}).status_code == 200
        assert ask(gateway, authorization=f"Bearer {token()}").json()["error"]["code"] == "agent_quarantined"
