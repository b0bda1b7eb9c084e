"""What operators do themselves is an incident too, over a real gateway and Redis."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.gateway import GatewayProcess


@pytest.fixture
def agent(gateway: GatewayProcess) -> Iterator[str]:
    made = gateway.ask("POST", "/agents", json={"name": "stopped"}).json()["agent_id"]
    yield made
    gateway.ask("DELETE", f"/quarantine/{made}")
    gateway.ask("DELETE", f"/agents/{made}")


def of(gateway: GatewayProcess, agent: str, **params: Any) -> list[dict[str, Any]]:
    query = "".join(f"&{name}={value}" for name, value in params.items())
    found: list[dict[str, Any]] = gateway.admin(f"/incidents?agent_id={agent}{query}").json()["items"]
    return found


def test_who_stops_an_agent_opens_an_incident_and_who_releases_it_closes_it(
    gateway: GatewayProcess, agent: str
) -> None:
    said = gateway.ask("POST", f"/quarantine/{agent}", json={"reason": "wrote to the wrong account"}).json()
    found = gateway.admin(f"/incidents/{said['incident_id']}").json()
    assert (found["agent_id"], found["state"], found["closed_at"]) == (agent, "QUARANTINED", None)
    assert (found["reason"], found["trigger"], found["findings"]) == ("wrote to the wrong account (root)", None, [])
    assert (found["vitals"], found["diagnoses"], found["actual_cause"], found["approval"]) == ([], [], None, None)
    assert gateway.ask("POST", f"/quarantine/{agent}", json={"reason": "again"}).json() == said
    assert [one["incident_id"] for one in of(gateway, agent, open="true")] == [said["incident_id"]]
    gateway.ask("DELETE", f"/quarantine/{agent}", json={"reason": "fixed"})
    (closed,) = of(gateway, agent)
    assert (closed["state"], closed["closed_at"] >= closed["opened_at"]) == ("PROBATION", True)
    assert [(one["action"], one["outcome"]) for one in closed["actions"]] == [("release", "fixed (root)")]
    assert of(gateway, agent, open="true") == []


def test_the_next_quarantine_is_another_incident(gateway: GatewayProcess, agent: str) -> None:
    for reason in ("once", "twice"):
        gateway.ask("POST", f"/quarantine/{agent}", json={"reason": reason})
        gateway.ask("DELETE", f"/quarantine/{agent}")
    assert [one["reason"] for one in of(gateway, agent)] == ["twice (root)", "once (root)"]


def test_an_open_incident_is_shown_with_the_state_its_agent_has_now(gateway: GatewayProcess, agent: str) -> None:
    said = gateway.ask("POST", f"/quarantine/{agent}", json={"reason": "slowly", "drain_seconds": 60}).json()
    assert gateway.admin(f"/incidents/{said['incident_id']}").json()["state"] in ("DRAINING", "QUARANTINED")
    gateway.ask("POST", f"/quarantine/{agent}", json={"reason": "at once"})
    assert gateway.admin(f"/incidents/{said['incident_id']}").json()["state"] == "QUARANTINED"
