"""People and healing, over HTTP: what waits for them, what they say, what a restart leaves of it."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway import GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

# Every case is severe, and an agent is well again after three calls.
POLICY = {"name": "watched", "immune": {"approve_above": 0, "drain_seconds": 0, "probation_calls": 3}}


class Deployment:
    """Gateways, one after the other, over one Redis and one directory; 30 good calls warm an agent up."""

    def __init__(self, redis: RedisServer, directory: Path) -> None:
        self._env = {
            "GATEWAY_REDIS_URL": redis.url,
            "GATEWAY_REDIS_PREFIX": f"heal{secrets.token_hex(4)}:",
            "GATEWAY_DATA_DIR": str(directory),
            "GATEWAY_POLICIES": json.dumps([POLICY]),
        }
        self.gateway: GatewayProcess

    @contextmanager
    def running(self) -> Iterator[None]:
        with running_gateway("--stub", env=self._env) as self.gateway:
            yield

    def get(self, path: str) -> Any:
        return self.gateway.admin(path).json()

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.gateway.ask("POST", path, json=body or None)

    def say(self, key: str, messages: list[dict[str, Any]]) -> int:
        return httpx.post(
            f"{self.gateway.url}/v1/chat/completions",
            json={"model": "stub-echo", "messages": messages},
            headers={"authorization": f"Bearer {key}"},
            timeout=20,
        ).status_code

    def works(self, key: str, calls: int) -> None:
        for number in range(calls):
            assert self.say(key, [{"role": "user", "content": f"Question {number}"}]) == 200

    def agent(self, key: str) -> str:
        """One that goes in circles after it did well, and is stopped for it."""
        before = {one["agent_id"] for one in self.get("/agents")["items"]}
        self.works(key, 30)
        eventually(lambda: len(self.get("/agents")["items"]) > len(before))
        (agent_id,) = {one["agent_id"] for one in self.get("/agents")["items"]} - before
        eventually(lambda: self.state(agent_id) == "HEALTHY")
        assert self.say(key, circles()) == 403
        eventually(lambda: self.state(agent_id) == "QUARANTINED")
        return agent_id

    def state(self, agent_id: str) -> str:
        return str(self.get(f"/agents/{agent_id}")["state"])

    def question(self, agent_id: str) -> dict[str, Any]:
        """What a person is asked about it."""
        found: list[dict[str, Any]] = []

        def asked() -> bool:
            found[:] = [one for one in self.get("/approvals?status=pending")["items"] if one["agent_id"] == agent_id]
            return bool(found)

        eventually(asked)
        assert len(found) == 1
        return found[0]

    def incident(self, agent_id: str) -> dict[str, Any]:
        (found,) = (one for one in self.get("/incidents")["items"] if one["agent_id"] == agent_id)
        return dict(found)


def circles() -> list[dict[str, Any]]:
    """The same call of the same tool with the same result, again and again."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Look it up"}]
    for number in range(8):
        call = {"id": f"c{number}", "type": "function", "function": {"name": "search", "arguments": '{"q":"x"}'}}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": "nothing"})
    return messages


@pytest.fixture
def world(shared_redis: RedisServer, tmp_path: Path) -> Deployment:
    return Deployment(shared_redis, tmp_path)


def test_what_is_approved_heals_though_everything_was_restarted_meanwhile(world: Deployment) -> None:
    with world.running():
        agent_id = world.agent("sk-circles-1")
        asked = world.question(agent_id)
        assert (asked["kind"], asked["tool"], asked["rule"]) == ("healing", "reset_memory", "immune/tool_loop")
        assert asked["arguments"] == {"remedies": ["reset_memory"], "drop_history": True}
        assert world.incident(agent_id)["approval"] == "pending"
    with world.running():
        assert world.state(agent_id) == "QUARANTINED"
        assert world.question(agent_id)["approval_id"] == asked["approval_id"]  # it is not asked a second time
        assert world.post(f"/approvals/{asked['approval_id']}/approve").status_code == 200
        eventually(lambda: world.state(agent_id) == "PROBATION")
        world.works("sk-circles-1", 4)
        eventually(lambda: world.state(agent_id) == "HEALTHY")
        incident = world.incident(agent_id)
        assert (incident["trigger"], incident["approval"], incident["closed_at"] is None) == (
            "approval",
            "approved",
            False,
        )
        assert [(one["action"], one["outcome"]) for one in incident["actions"]] == [
            ("ask:heal", "pending"),
            ("approve", "by root"),
            ("reset_memory", "healed"),
        ]
        (pattern,) = world.get("/healing/patterns")["items"]
        assert (pattern["cause"], pattern["remedy"], pattern["healed"]) == ("infinite_loop", "reset_memory", 1)


def test_what_is_rejected_stays_in_quarantine_until_it_is_to_be_healed_now(world: Deployment) -> None:
    with world.running():
        first, second = world.agent("sk-circles-1"), world.agent("sk-circles-2")
        rejected = world.question(first)["approval_id"]
        assert world.post(f"/approvals/{rejected}/reject", reason="not yet").status_code == 200
        eventually(lambda: world.incident(first)["approval"] == "rejected")
    with world.running():
        # All that wait, but for what somebody has rejected.
        healed = {one["agent_id"]: one["healing"] for one in world.post("/heal-all").json()["items"]}
        assert healed == {first: False, second: True}
        eventually(lambda: world.state(second) == "PROBATION")
        assert world.state(first) == "QUARANTINED"
        assert world.post(f"/agents/{first}/heal").json()["state"] == "HEALING"
        eventually(lambda: world.state(first) == "PROBATION")
        assert world.incident(first)["trigger"] == "heal_now"
        said = world.post("/feedback", incident_id=world.incident(first)["incident_id"], actual_cause="prompt_drift")
        assert said.json()["diagnoses"] == [{"cause": "prompt_drift", "confidence": 1.0}]
