"""Who is taken for whom: 34 callers that an agent might be, on the headers that real clients send, over two gateways
that share a Redis and a secret."""

import asyncio
from collections.abc import Iterator
from copy import deepcopy
from itertools import count
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

Both = tuple[GatewayProcess, GatewayProcess]

PREFIX = "who:"
OPENAI_PYTHON = {
    "user-agent": "OpenAI/Python 3.52.0",
    "x-stainless-lang": "python",
    "x-stainless-package-version": "3.52.0",
    "x-stainless-os": "Linux",
    "x-stainless-arch": "x64",
    "x-stainless-runtime": "CPython",
    "x-stainless-runtime-version": "3.11.2",
    "x-stainless-retry-count": "0",
    "x-stainless-read-timeout": "600",
}
CLAUDE_CODE = {
    "user-agent": "claude-cli/2.1.329 (external, sdk-cli)",
    "x-app": "cli",
    "x-claude-code-session-id": "5b2e",
    "x-stainless-lang": "js",
    "x-stainless-package-version": "0.128.0",
    "x-stainless-runtime": "node",
}
CODEX = {
    "user-agent": "codex_exec/0.169.0 (Debian 12.0.0; x86_64) unknown (codex_exec; 0.169.0)",
    "originator": "codex_exec",
    "session-id": "019",
    "thread-id": "019",
}
VERCEL = {"user-agent": "ai-sdk-openai/4.0.118 ai-sdk-provider-utils/5.0.81 node.js/22"}
AGENTS_PYTHON = {**OPENAI_PYTHON, "user-agent": "Agents/Python 0.24.0"}
OPENAI_NODE = {"user-agent": "OpenAI/JS 7.55.0", "x-stainless-lang": "js", "x-stainless-runtime": "node"}

BILLING = "You are the billing assistant of Acme. Look up invoices, explain charges and issue refunds up to 50 euros."
WEATHER = "You forecast weather. Report temperature, wind and rain for any city, in metric units, without small talk."
MONEY = ("get_invoice", "refund", "list_charges")
SKY = ("get_weather", "get_forecast")

Change = dict[str, Any]
"""`headers` are added (None: taken away); `system`, `tools`, `user` replace what the body has."""

SAME: dict[str, Change] = {
    "again": {},
    "another address": {"headers": {"x-forwarded-for": "203.0.113.9"}},
    "a patch of the SDK": {
        "headers": {"user-agent": "OpenAI/Python 3.52.1", "x-stainless-package-version": "3.52.1"},
    },
    "a new SDK": {"headers": {"user-agent": "OpenAI/Python 4.0.0", "x-stainless-package-version": "4.0.0"}},
    "the asynchronous client": {"headers": {"user-agent": "AsyncOpenAI/Python 3.52.0"}},
    "another machine": {"headers": {"x-stainless-os": "MacOS", "x-stainless-arch": "arm64"}},
    "another Python": {"headers": {"x-stainless-runtime-version": "3.14.0"}},
    "a retry": {"headers": {"x-stainless-retry-count": "2"}},
    "another time-out": {"headers": {"x-stainless-read-timeout": "60.0"}},
    "another session": {"headers": {"x-agent-session": "s-2"}},
    "a trace": {"headers": {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}},
    "another question": {"user": "Why was I charged twice?"},
    "a new prompt": {"system": "Answer briefly and politely in the language of the customer."},
    "a prompt with another date": {"system": BILLING + " Today is 2026-11-21."},
    "no prompt": {"system": None},
    "more tools": {"tools": (*MONEY, "send_mail", "open_ticket", "close_ticket")},
    "fewer tools": {"tools": MONEY[:1]},
    "no tools": {"tools": ()},
    "a new prompt and more tools": {"system": "Answer briefly and politely.", "tools": (*MONEY, "send_mail")},
    "other tools, the same prompt": {"tools": SKY},
}
OTHER: dict[str, Change] = {
    "another key": {"headers": {"authorization": "Bearer sk-another-0123456789"}},
    "no key": {"headers": {"authorization": None}},
    "a name": {"headers": {"x-agent-id": "planner"}},
    "another name": {"headers": {"x-agent-id": "reviewer"}},
    "another kind of client: claude code": {"headers": CLAUDE_CODE},
    "another kind of client: codex": {"headers": CODEX},
    "another kind of client: vercel": {"headers": VERCEL},
    "another kind of client: openai-agents": {"headers": AGENTS_PYTHON},
    "another kind of client: openai-node": {"headers": OPENAI_NODE},
    "other tools and another prompt": {"system": WEATHER, "tools": SKY},
    "other tools and another prompt, after a restart": {"system": WEATHER + " It is 12:30.", "tools": (*SKY, "tides")},
}
NAMED: dict[str, Change] = {
    "another client": {"headers": CODEX},
    "another client and prompt": {"headers": CLAUDE_CODE, "system": WEATHER},
    "other tools and another prompt": {"system": WEATHER, "tools": SKY},
}


@pytest.fixture(scope="module")
def both(shared_redis: RedisServer, tmp_path_factory: Any) -> Iterator[Both]:
    def env(name: str) -> dict[str, str]:
        return {
            "GATEWAY_REDIS_URL": shared_redis.url,
            "GATEWAY_REDIS_PREFIX": PREFIX,
            "GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp(name)),
            "GATEWAY_TRUSTED_PROXIES": "127.0.0.1",
        }

    with running_gateway("--stub", env=env("one")) as one, running_gateway("--stub", env=env("two")) as two:
        yield one, two


@pytest.fixture
def key(_numbers: Iterator[int] = count(1)) -> str:  # noqa: B008 - one counter for all
    """A credential that nobody has used."""
    return f"sk-test-{next(_numbers):012d}"


def ask(gateway: GatewayProcess, key: str, change: Change | None = None) -> str:
    """The id of the agent behind one request."""
    answer = answered(gateway, key, change)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-gateway-agent-id"]


def answered(gateway: GatewayProcess, key: str, change: Change | None = None) -> httpx.Response:
    change = deepcopy(change or {})
    headers: dict[str, str | None] = {"authorization": f"Bearer {key}", **OPENAI_PYTHON, **change.get("headers", {})}
    system, names = change.get("system", BILLING), change.get("tools", MONEY)
    body: dict[str, Any] = {"model": "stub-echo", "messages": [{"role": "user", "content": change.get("user", "Hi")}]}
    if system:
        body["messages"].insert(0, {"role": "system", "content": system})
    if names:
        body["tools"] = [{"type": "function", "function": {"name": n, "parameters": {"type": "object"}}} for n in names]
    sent = {name: value for name, value in headers.items() if value is not None}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=sent, timeout=20)


def is_known(redis: RedisServer, base: str, agent_id: str) -> bool:
    return redis.ask("HEXISTS", f"{PREFIX}forms:{{{base}}}", agent_id) == b":1\r\n"


@pytest.mark.parametrize("name", SAME)
def test_the_same_agent(both: Both, shared_redis: RedisServer, key: str, name: str) -> None:
    first = ask(both[0], key)
    eventually(lambda: is_known(shared_redis, first, first))
    assert [ask(gateway, key, SAME[name]) for gateway in both] == [first, first]


@pytest.mark.parametrize("name", OTHER)
def test_another_agent(both: Both, shared_redis: RedisServer, key: str, name: str) -> None:
    first = ask(both[0], key)
    eventually(lambda: is_known(shared_redis, first, first))
    other = {ask(gateway, key, OTHER[name]) for gateway in both}
    assert len(other) == 1 and first not in other
    assert ask(both[1], key) == first


@pytest.mark.parametrize("name", NAMED)
def test_an_agent_that_says_its_name_is_that_one(both: Both, key: str, name: str) -> None:
    named = {"x-agent-id": "planner"}
    first = ask(both[0], key, {"headers": named})
    change = {**NAMED[name], "headers": {**NAMED[name].get("headers", {}), **named}}
    assert [ask(gateway, key, change) for gateway in both] == [first, first]


def test_the_sdks_themselves_are_one_agent_each(both: Both, key: str) -> None:
    asked: Any = [{"role": "user", "content": "Hi"}]

    async def asynchronously(gateway: GatewayProcess) -> str:
        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=key) as client:
            raw = await client.chat.completions.with_raw_response.create(model="stub-echo", messages=asked)
            return raw.headers["x-gateway-agent-id"]

    ids = []
    for gateway in both:
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key) as client:
            raw = client.chat.completions.with_raw_response.create(model="stub-echo", messages=asked)
            ids.append(raw.headers["x-gateway-agent-id"])
        ids.append(asyncio.run(asynchronously(gateway)))
    assert len(set(ids)) == 1
    with anthropic.Anthropic(base_url=both[0].url, api_key=key) as client:
        message = client.messages.with_raw_response.create(model="stub-echo", max_tokens=9, messages=asked)
        assert message.headers["x-gateway-agent-id"] not in ids


def test_what_was_told_apart_is_shown_with_evidence_and_can_be_merged(
    both: Both, shared_redis: RedisServer, key: str
) -> None:
    here, there = both
    first = ask(here, key)
    eventually(lambda: is_known(shared_redis, first, first))
    weather = OTHER["other tools and another prompt"]
    other = ask(here, key, weather)
    eventually(lambda: there.admin(f"/agents/{other}").status_code == 200)
    shown = there.admin(f"/agents/{other}").json()
    assert {one["kind"]: one["score"] > 0.8 for one in shown["evidence"]} == {
        "credential": True, "client": False, "tools": True, "prompt": True,
    }  # fmt: skip
    assert shown["address"] == "127.0.0.1"

    def change(path: str, body: Any = None) -> Any:
        answer = httpx.post(
            f"{here.url}/api/gateway/agents/{path}", json=body, headers={"x-admin-key": ADMIN_KEY}, timeout=20
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    change(f"{other}/merge", {"into": first})
    assert [ask(gateway, key, weather) for gateway in both] == [first, first]
    assert change(f"{first}/split")["separated"] == [other]
    assert [ask(gateway, key, weather) for gateway in both] == [other, other]
    assert change(f"{first}/split")["separated"] == []
    only_tools = {ask(gateway, key, {"tools": ("unheard_of",)}) for gateway in both}
    assert len(only_tools) == 1 and not only_tools & {first, other}


def test_an_agent_is_not_refused_in_the_place_of_its_neighbour(both: Both, shared_redis: RedisServer, key: str) -> None:
    here, there = both
    weather = OTHER["other tools and another prompt"]
    first = ask(here, key)
    eventually(lambda: is_known(shared_redis, first, first))
    other = ask(here, key, weather)
    eventually(lambda: there.admin(f"/agents/{other}").status_code == 200)
    admin = {"x-admin-key": ADMIN_KEY}
    blocked = httpx.post(
        f"{here.url}/api/gateway/quarantine/{first}", json={"reason": "tested"}, headers=admin, timeout=20
    )
    assert blocked.status_code == 200, blocked.text
    for gateway in both:
        refused = answered(gateway, key)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "agent_quarantined")
        assert ask(gateway, key, weather) == other
        unheard = answered(gateway, key, {"system": "Translate poems into Latin verse.", "tools": ("dictionary",)})
        assert (unheard.status_code, unheard.json()["error"]["code"]) == (403, "agent_quarantined")


def test_the_address_is_what_a_trusted_proxy_says(both: Both, key: str) -> None:
    agent_id = ask(both[0], key, {"headers": {"x-forwarded-for": "6.6.6.6, 203.0.113.9"}})
    eventually(lambda: both[1].admin(f"/agents/{agent_id}").status_code == 200)
    assert both[1].admin(f"/agents/{agent_id}").json()["address"] == "203.0.113.9"
