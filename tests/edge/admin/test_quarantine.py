"""`/quarantine` and what it does, over a real gateway and Redis."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.edge.admin.conftest import problem
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually

ASK = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}


class Operator:
    """Works at one agent's quarantine."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.gateway = gateway
        items = gateway.admin("/agents?limit=1000").json()["items"]
        self.agent_id = next(item["agent_id"] for item in items if item["client"] == "agent/1")

    def send(self, method: str, agent_id: str = "", **body: Any) -> httpx.Response:
        url = f"{self.gateway.url}/api/gateway/quarantine/{agent_id or self.agent_id}"
        return httpx.request(method, url, headers={"x-admin-key": ADMIN_KEY}, json=body or None, timeout=20)

    def ask(self) -> httpx.Response:
        """As the agent would."""
        headers = {"authorization": "Bearer sk-agent-0123456789-1", "user-agent": "agent/1"}
        return httpx.post(f"{self.gateway.url}/v1/chat/completions", json=ASK, headers=headers)


@pytest.fixture
def operator(gateway: GatewayProcess) -> Iterator[Operator]:
    operator = Operator(gateway)
    yield operator
    assert operator.send("DELETE", reason="the test is over").status_code == 200


def test_a_quarantine_is_shown_and_ends_when_an_operator_says_so(operator: Operator) -> None:
    answer = operator.send("POST", reason="too eager")
    said = answer.json()
    assert (answer.status_code, said["state"], said["pending"]) == (200, "QUARANTINED", [])
    assert (said["agent_id"], said["reason"], said["by"]) == (operator.agent_id, "too eager", "root")
    assert said["incident_id"].startswith("inc_") and said["since"].endswith("Z")

    refused = operator.ask()
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "agent_quarantined")
    assert said["incident_id"] in refused.json()["error"]["message"]
    assert refused.headers["x-gateway-agent-id"] == operator.agent_id

    listed = operator.gateway.admin("/quarantine").json()
    assert (listed["next_cursor"], listed["stale_for"]) == (None, None)
    assert [item["agent_id"] for item in listed["items"]] == [operator.agent_id]
    assert operator.gateway.admin(f"/agents/{operator.agent_id}").json()["state"] == "QUARANTINED"

    released = operator.send("DELETE", reason="fine")
    assert (released.status_code, released.json()["state"]) == (200, "PROBATION")
    assert released.json()["epoch"] > said["epoch"]
    assert operator.gateway.admin("/quarantine").json()["items"] == []
    assert operator.ask().status_code == 200


def test_saying_it_again_changes_nothing(operator: Operator) -> None:
    first = operator.send("POST", reason="too eager").json()
    again = operator.send("POST", reason="still too eager")
    assert (again.status_code, again.json()) == (200, first)
    assert operator.send("DELETE").status_code == 200  # a client that cannot send a body with it
    once_more = operator.send("DELETE", reason="fine")
    assert (once_more.status_code, once_more.json()["state"]) == (200, "PROBATION")


def test_draining_becomes_quarantine_when_its_time_is_over(operator: Operator) -> None:
    said = operator.send("POST", reason="too eager", drain_seconds=0.5).json()
    assert said["state"] == "DRAINING" and said["drain_until"] > said["since"]
    assert operator.ask().json()["error"]["code"] in ("agent_draining", "agent_quarantined")
    eventually(lambda: operator.ask().json()["error"]["code"] == "agent_quarantined")
    life = operator.gateway.admin(f"/lifecycle/{operator.agent_id}").json()
    assert [move["state"] for move in life["history"]][-2:] == ["DRAINING", "QUARANTINED"]
    assert life["history"][-1]["by"] == "gateway"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"why": "x"}, "body.reason"),
        ({"reason": ""}, "body.reason"),
        ({"reason": "x", "drain_seconds": -1}, "body.drain_seconds"),
        ({"reason": "x", "for": 5}, "body.for"),
    ],
)
def test_what_cannot_be_understood_is_refused(operator: Operator, body: dict[str, Any], field: str) -> None:
    fields = [error["field"] for error in problem(operator.send("POST", **body), 422)["errors"]]
    assert field in fields


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_an_agent_nobody_has_seen_is_unknown(operator: Operator, method: str) -> None:
    problem(operator.send(method, "agt_nobody", reason="x"), 404)
