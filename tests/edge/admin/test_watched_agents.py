"""One agent that goes astray, as the admin API tells it from the first exchange to the treatment."""

import json
import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.gateway import GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

INGEST_KEY = "ing-Zt6wXq1Ls9BvRk4E"
POLICY = {"name": "strict", "immune": {"sigma_action": "quarantine", "drain_seconds": 0, "sigma_share": 1}}


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": "astray:",
        "INGEST_API_KEY": INGEST_KEY,
        "GATEWAY_POLICIES": json.dumps([POLICY]),
    }
    with running_gateway("--stub", env=env) as one:
        yield one


class Agent:
    """Reports its exchanges itself."""

    def __init__(self, gateway: GatewayProcess, name: str) -> None:
        self.gateway = gateway
        self.name = name
        self.calls = 0
        self.drawn = random.Random(name)
        self.report(40)
        self.id: str = ""
        eventually(self._known)

    def report(self, calls: int, times: float = 1.0) -> list[str]:
        """Calls with this many times the usual output; the ids of the requests."""
        rows: list[dict[str, Any]] = []
        for _ in range(calls):
            self.calls += 1
            rows.append(
                {
                    "name": self.name, "request_id": f"{self.name}-{self.calls}", "provider": "mine", "model": "m",
                    "latency_ms": 800, "input_tokens": 500, "conversation": f"c{self.calls % 8}",
                    "output_tokens": round(times * self.drawn.lognormvariate(5.0, 0.3)),
                }
            )  # fmt: skip
        headers = {"authorization": f"Bearer {INGEST_KEY}"}
        answer = httpx.post(f"{self.gateway.url}/api/v1/ingest", json=rows, headers=headers, timeout=20)
        assert answer.status_code == 202, answer.text
        return [item["request_id"] for item in answer.json()["items"]]

    def shown(self, below: str = "agents") -> dict[str, Any]:
        found: dict[str, Any] = self.gateway.admin(f"/{below}/{self.id}").json()
        return found

    def _known(self) -> bool:
        agents = self.gateway.admin("/agents").json()["items"]
        self.id = next((one["agent_id"] for one in agents if one["name"] == self.name), "")
        return bool(self.id) and self.shown()["state"] == "HEALTHY"


def baseline(agent: Agent) -> dict[str, Any]:
    found: dict[str, Any] = agent.gateway.admin(f"/agents/{agent.id}/baseline").json()
    return found


def test_what_happens_to_an_agent_that_goes_astray_is_told_in_every_place(gateway: GatewayProcess) -> None:
    agent = Agent(gateway, "astray")
    assert baseline(agent)["warm"] and agent.shown()["deviation"] is not None
    before = gateway.admin("/stats").json()
    for _ in range(8):
        agent.report(1, times=60)
    eventually(lambda: agent.shown()["state"] == "QUARANTINED")
    history = [move["state"] for move in agent.shown("lifecycle")["history"]]
    assert history == ["HEALTHY", "SUSPECTED", "DRAINING", "QUARANTINED"]
    (incident,) = gateway.admin(f"/incidents?agent_id={agent.id}").json()["items"]
    assert incident["incident_id"] == agent.shown("lifecycle")["incident_id"]
    assert (incident["state"], incident["findings"][0]["type"]) == ("QUARANTINED", "output_token_spike")
    whole = gateway.admin(f"/incidents/{incident['incident_id']}").json()
    assert whole["diagnoses"] and {row["request_id"] for row in whole["vitals"]} == {
        one["request_id"] for one in whole["findings"]
    }
    stats = gateway.admin("/stats").json()
    eventually(lambda: gateway.admin("/stats").json()["infections"] == before["infections"] + 1)
    assert stats["findings"] > before["findings"] and stats["quarantined"] == 1

    def pending() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = gateway.admin("/approvals?status=pending").json()["items"]
        return [one for one in found if one["agent_id"] == agent.id]

    eventually(pending)
    (approval,) = pending()
    assert approval["kind"] == "healing" and approval["deviation"] >= 5
    eventually(lambda: gateway.admin("/healing").json()["agents"][0]["approval"] == "pending")
    (patient,) = gateway.admin("/healing").json()["agents"]
    assert (patient["agent_id"], patient["approval_id"]) == (agent.id, approval["approval_id"])
    assert patient["deviation"] >= 5 and patient["cause"] == whole["diagnoses"][0]["cause"]

    said = {"incident_id": incident["incident_id"], "actual_cause": "prompt_injection"}
    assert gateway.ask("POST", "/feedback", json=said).json()["diagnoses"] == [
        {"cause": "prompt_injection", "confidence": 1.0}
    ]
    gateway.ask("POST", f"/approvals/{approval['approval_id']}/approve")
    eventually(lambda: agent.shown()["state"] == "PROBATION")
    (treated,) = [one for one in gateway.admin("/healing").json()["items"] if one["agent_id"] == agent.id]
    assert treated["outcome"] == "applied"
    agent.report(12)
    eventually(lambda: agent.shown()["state"] == "HEALTHY")
    eventually(lambda: gateway.admin("/stats").json()["success_rate"] == 1.0)
    assert gateway.admin(f"/incidents/{incident['incident_id']}").json()["closed_at"] is not None
    assert gateway.admin("/healing/patterns").json()["items"][0]["cause"] == "prompt_injection"


def test_what_an_operator_accepts_is_learned_anew(gateway: GatewayProcess) -> None:
    agent = Agent(gateway, "changed")
    assert baseline(agent)["calls"] == 40
    answer = gateway.ask("POST", f"/agents/{agent.id}/baseline/accept")
    assert (answer.status_code, answer.json()["accepted"]) == (200, True)
    assert (baseline(agent)["calls"], baseline(agent)["warm"]) == (0, False)
    agent.report(5, times=60)
    eventually(lambda: baseline(agent)["calls"] == 5)
    assert agent.shown()["state"] == "HEALTHY"
