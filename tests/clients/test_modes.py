"""A mode set on one replica counts for the next decision on another, in a conversation that is under way, too."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.gateway import GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

POLICY = {
    "name": "ops",
    "modes": {"NORMAL": {"allow": ["get status"]}, "EMERGENCY": {"allow": ["restart service"]}},
    "always_blocked": ["delete database"],
}
NAMES = ("get_status", "restart_service", "delete_database")
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in NAMES]
KEY = "Bearer sk-operating-agent-01"


@pytest.fixture(scope="module")
def replicas(shared_redis: RedisServer) -> Iterator[tuple[GatewayProcess, GatewayProcess]]:
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": f"modes{secrets.token_hex(4)}:",
        "GATEWAY_POLICIES": json.dumps([POLICY]),
    }
    with running_gateway("--stub", env=env) as one, running_gateway("--stub", env=env) as other:
        yield one, other


def call(on: GatewayProcess, name: str, before: int = 0) -> bool:
    """Whether a call of this tool reaches the agent, after so many others in the conversation."""
    made = [
        {"id": f"call_{n}", "type": "function", "function": {"name": NAMES[0], "arguments": f'{{"page":{n}}}'}}
        for n in range(before)
    ]
    messages: list[dict[str, Any]] = [{"role": "user", "content": "see to it"}]
    for one in made:
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [one]},
            {"role": "tool", "tool_call_id": one["id"], "content": "fine"},
        ]
    turns = [{"calls": [{"name": NAMES[0], "arguments": {}}]}] * before + [{"calls": [{"name": name, "arguments": {}}]}]
    body = {"model": "stub-script", "messages": messages, "tools": TOOLS, "stub": turns}
    answer = httpx.post(f"{on.url}/v1/chat/completions", json=body, headers={"authorization": KEY}, timeout=20)
    assert answer.status_code == 200, answer.text
    calls = answer.json()["choices"][0]["message"].get("tool_calls") or []
    return [one["function"]["name"] for one in calls] == [name]


def switch(on: GatewayProcess, mode: dict[str, Any]) -> None:
    """Until every replica has said that it decides by it."""
    eventually(lambda: on.ask("PUT", "/mode", json=mode).status_code == 200)


def test_each_switch_counts_for_the_next_decision_on_any_replica(
    replicas: tuple[GatewayProcess, GatewayProcess],
) -> None:
    for number in range(12):
        here, there = replicas if number % 2 else replicas[::-1]
        mode = ("EMERGENCY", "NORMAL")[number % 2]
        switch(there, {"mode": mode, "reason": f"switch {number}"})
        assert call(here, "restart_service", before=number) is (mode == "EMERGENCY")
        assert call(here, "get_status") and not call(here, "delete_database")


def test_a_mode_counts_for_its_scope_and_its_time(replicas: tuple[GatewayProcess, GatewayProcess]) -> None:
    here, there = replicas
    switch(there, {"mode": None, "reason": "over"})
    eventually(lambda: here.admin("/agents").json()["items"])
    agent = here.admin("/agents").json()["items"][0]["agent_id"]
    set_for = {"mode": "EMERGENCY", "scope": f"agent:{agent}", "reason": "an incident", "ttl_seconds": 3}
    switch(there, set_for)
    assert call(here, "restart_service")
    eventually(lambda: not call(here, "restart_service"))
    switch(there, {**set_for, "scope": "team:nobody"})
    assert not call(here, "restart_service")
