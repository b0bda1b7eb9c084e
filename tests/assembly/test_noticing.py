"""A whole gateway that looks at what its agents do."""

import json
from typing import Any

import httpx
from redis import Redis

from gateway.immune.state import short
from gateway.store.keys import Keys
from tests.support.gateway import GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

KEY = {"authorization": "Bearer sk-0123456789abcdef"}


def circle(rounds: int) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "You tell the time."},
        {"role": "user", "content": "How late is it?"},
    ]
    for number in range(rounds):
        call = {"id": f"c{number}", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": "12:00"})
    return messages


def test_loops_are_blocked_runaways_cut_and_prompts_kept(shared_redis: RedisServer, redis_url: str) -> None:
    redis, keys = Redis.from_url(redis_url), Keys()
    with running_gateway("--stub", env={"GATEWAY_REDIS_URL": redis_url}) as gateway:

        def ask(messages: list[dict[str, Any]], **members: Any) -> httpx.Response:
            body = {"model": "stub-echo", "messages": messages, **members}
            return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=KEY, timeout=20)

        agent_id = httpx.get(f"{gateway.url}/v1/models", headers=KEY).headers["x-gateway-agent-id"]
        redis.hset(keys.watched(agent_id), "p", json.dumps({short("stub-echo"): [50, None, None]}))
        assert ask(circle(2)).status_code == 200
        eventually(lambda: redis.zcard(keys.prompts(agent_id)) == 1)
        long = [{"role": "user", "content": "So many words. " * 200}]

        assert "runaway answer" in ask(long, stream=True).text
        refused = ask(circle(6))
        assert refused.status_code == 403 and refused.json()["error"]["code"] == "conversation_blocked"
        assert refused.headers["x-should-retry"] == "false"
    redis.close()


def found(gateway: GatewayProcess, agent_id: str) -> set[tuple[str, str]]:
    """Action and metric of what was found of an agent."""
    items = gateway.admin(f"/audit?agent_id={agent_id}&limit=200").json()["items"]
    return {(one["action"], one["metadata"].get("metric")) for one in items if one["action"].startswith("find:")}


def test_a_quarantined_agent_under_another_key_and_a_key_used_from_elsewhere_are_found(redis_url: str) -> None:
    env = {"GATEWAY_REDIS_URL": redis_url, "GATEWAY_TRUSTED_PROXIES": "127.0.0.0/8"}
    with running_gateway("--stub", env=env) as gateway:

        def ask(key: str, *, client: str = "OpenAI/Python 3.52.0", address: str = "203.0.113.9", **more: str) -> str:
            body = {"model": "stub-echo", "messages": circle(0)}
            headers = {"authorization": f"Bearer {key}", "user-agent": client, "x-forwarded-for": address, **more}
            answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=20)
            return str(answer.headers["x-gateway-agent-id"])

        ill, neighbour = ask("sk-ill-0123456789abcdef"), ask("sk-neighbour-0123456789")
        eventually(lambda: all(gateway.admin(f"/agents/{one}").status_code == 200 for one in (ill, neighbour)))
        assert gateway.ask("POST", f"/quarantine/{ill}", json={"reason": "ill"}).status_code == 200
        # With its credential it is refused, with another one it is found.
        ask("sk-ill-0123456789abcdef", **{"x-agent-id": "another"})
        eventually(lambda: ("find:identity_evasion", "credential") in found(gateway, ill))
        like = ""

        def is_found() -> bool:
            nonlocal like
            like = ask("sk-again-0123456789abcdef")
            return ("find:identity_evasion", "likeness") in found(gateway, like)

        eventually(is_found)
        ask("sk-neighbour-0123456789")

        made = gateway.ask("POST", "/agents", json={"name": "mine"}).json()["agent_id"]
        key = gateway.ask("POST", f"/agents/{made}/keys").json()["api_key"]
        for place in ({}, {"client": "curl/8.0"}, {"address": "198.51.100.7"}):
            assert ask(key, **place) == made
        ask(key, client="python-requests/2.0", address="192.0.2.77")
        eventually(lambda: ("find:new_client", "client") in found(gateway, made))
        entries = gateway.admin(f"/audit?agent_id={made}&limit=200").json()["items"]
        (entry,) = [one for one in entries if one["action"] == "find:new_client"]
        assert entry["metadata"]["detail"] == {"client": "python-requests", "address": "192.0.2.0/24"}
        assert found(gateway, neighbour) == set()


def test_who_only_looks_something_up_has_done_nothing(redis_url: str) -> None:
    with running_gateway("--stub", env={"GATEWAY_REDIS_URL": redis_url}) as gateway, Redis.from_url(redis_url) as redis:
        for _ in range(50):
            agent_id = httpx.get(f"{gateway.url}/v1/models", headers=KEY).headers["x-gateway-agent-id"]
        body = {"model": "stub-echo", "messages": circle(0)}
        assert httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=KEY, timeout=20).status_code == 200
        eventually(lambda: redis.hexists(Keys().watched(agent_id), "s"))
        assert json.loads(redis.hget(Keys().watched(agent_id), "s") or b"{}")["calls"] == 1


def test_what_an_agent_usually_gets_caps_its_answers_and_a_spent_budget_is_found(redis_url: str) -> None:
    policy = {"name": "ops", "budgets": {"tokens_per_day": 200_000}, "immune": {"sigma_action": "throttle"}}
    env = {"GATEWAY_REDIS_URL": redis_url, "GATEWAY_POLICIES": json.dumps([policy])}
    with running_gateway("--stub", env=env) as gateway:

        def ask(text: str, **members: Any) -> httpx.Response:
            body = {"model": "stub-echo", "messages": [{"role": "user", "content": text}], "max_tokens": 50, **members}
            return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=KEY, timeout=20)

        for number in range(35):
            answer = ask(f"Question {number}")
            assert answer.status_code == 200
        agent_id = answer.headers["x-gateway-agent-id"]
        with Redis.from_url(redis_url) as redis:
            eventually(lambda: b"stub-echo" in (redis.hget(Keys().watched(agent_id), "p") or b""))
    with running_gateway("--stub", env=env) as gateway:  # which has not believed anything else for a while
        long = "So many words. " * 5000  # more than one ordinary answer

        def is_cut() -> bool:
            text = ask(long, stream=True, max_tokens=30_000).text
            return "runaway answer" in text and "[DONE]" not in text

        eventually(is_cut)
        eventually(lambda: ("find:output_token_spike", "runaway") in found(gateway, agent_id))
        eventually(lambda: ask(long).status_code == 429)
        eventually(lambda: ("find:cost_spike", "budget") in found(gateway, agent_id))
        page = gateway.admin(f"/audit?agent_id={agent_id}&limit=200").json()["items"]
        outcome = next(one for one in page if one["reason"] and "runaway answer" in one["reason"])
        assert outcome["rule"] == "policy_denied" and outcome["metadata"]["output_tokens"] > 16_000
