"""The README's list of Redis commands is enough for a gateway."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
from redis import Redis

from tests.support.gateway import ADMIN_KEY, eventually, running_gateway
from tests.support.redis import RedisServer

README = (Path(__file__).resolve().parent.parent / "README.md").read_text("utf-8")
POLICY = {
    "name": "all",
    "limits": {"requests_per_minute": 100, "concurrent": 9},
    "budgets": {"usd_per_day": 9},
    "allow": ["look"],
    "modes": {"NORMAL": {}, "EMERGENCY": {}},
    "tools": {"restart": {"approval": "always"}},
}
HOOK = {"url": "http://127.0.0.1:1", "secret": f"whsec_{'A' * 32}"}
ASK = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
CALL = {
    **ASK,
    "model": "stub-script",
    "tools": [{"type": "function", "function": {"name": "restart", "parameters": {"type": "object"}}}],
    "stub": [{"calls": [{"name": "restart", "arguments": {"service": "web"}}]}],
}


def test_a_user_with_the_commands_of_the_readme_is_enough(own_redis: RedisServer) -> None:
    found = re.search(r"`(~leuko:\* [^`]+)`", README)
    assert found is not None
    with Redis.from_url(own_redis.url) as redis:
        redis.execute_command("ACL", "SETUSER", "gateway", "on", ">pw-of-the-user", "resetchannels", *found[1].split())
        url = own_redis.url.replace("unix://", "unix://gateway:pw-of-the-user@")
        env = {
            "GATEWAY_REDIS_URL": url,
            "GATEWAY_POLICIES": json.dumps([POLICY]),
            "GATEWAY_WEBHOOKS": json.dumps([HOOK]),
        }
        with running_gateway("--stub", env=env) as gateway:
            admin = httpx.Client(base_url=f"{gateway.url}/api/gateway", headers={"x-admin-key": ADMIN_KEY}, timeout=20)
            agent = admin.post("/agents", json={"name": "one"}).raise_for_status().json()["agent_id"]
            key = admin.post(f"/agents/{agent}/keys").raise_for_status().json()["api_key"]

            def said(credential: str, ask: dict[str, Any]) -> Any:
                headers = {"authorization": f"Bearer {credential}"}
                answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=ask, headers=headers, timeout=20)
                return answer.raise_for_status().json()["choices"][0]["message"]

            for credential in (key, "sk-somebody-else-0123"):
                assert said(credential, ASK)["content"]
            assert not said(key, CALL).get("tool_calls")
            (approval,) = admin.get("/approvals?status=pending").raise_for_status().json()["items"]
            admin.post(f"/approvals/{approval['approval_id']}/approve").raise_for_status()
            assert said(key, CALL)["tool_calls"]
            declared = _intents(gateway.url, key)
            assert [item["intent_id"] for item in admin.get("/intents").json()["items"]] == declared
            for intent in declared:
                admin.delete(f"/intents/{intent}").raise_for_status()
            admin.post("/signing-keys/rotate").raise_for_status()
            admin.put("/mode", json={"mode": "EMERGENCY", "reason": "a try"}).raise_for_status()
            eventually(lambda: re.search(r"leuko_webhooks_failed_total\S* [1-9]", admin.get("/metrics").text))
            admin.post(f"/quarantine/{agent}", json={"reason": "a try"}).raise_for_status()
            admin.request("DELETE", f"/quarantine/{agent}", json={"reason": "over"}).raise_for_status()
            eventually(lambda: len(admin.get("/agents").json()["items"]) == 2)
            eventually(lambda: bool(admin.get("/audit").json()["items"]))
            for path in ("/stats", "/usage", "/quarantine", "/admin-keys", "/providers", f"/agents/{agent}/vitals"):
                assert admin.get(path).status_code == 200, path
            admin.delete(f"/agents/{agent}").raise_for_status()
            admin.close()
        assert [entry for entry in redis.execute_command("ACL", "LOG")] == []


def _intents(url: str, key: str) -> list[str]:
    """Intents that an agent made and handed on, the newest first."""
    with httpx.Client(base_url=f"{url}/api/v1", headers={"authorization": f"Bearer {key}"}, timeout=20) as agent:
        plan = {"goal": "a try", "steps": [{"tool": "look"}]}
        made = agent.post("/intents", json=plan).raise_for_status().json()
        part = agent.post(f"/intents/{made['intent_id']}/delegate", json={}).raise_for_status().json()
        assert agent.post("/intents/introspect", json={"token": part["token"]}).json()["active"]
        assert agent.get("/calls/call_1").status_code == 404
        return [part["intent_id"], made["intent_id"]]
