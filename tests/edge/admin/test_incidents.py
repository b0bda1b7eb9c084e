"""`/incidents` and `/feedback`, over a real gateway and Redis."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.immune.diagnosis import Diagnosis
from gateway.immune.finding import Finding
from gateway.immune.incident import Action, Asked, Incident
from tests.edge.admin.conftest import problem
from tests.edge.admin.kept import Kept
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

PREFIX = "incidents:"
ASK = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": PREFIX}
    with running_gateway("--stub", env=env) as one:
        for _ in range(3):
            httpx.post(f"{one.url}/v1/chat/completions", json=ASK, headers={"authorization": "Bearer sk-0123456789-ab"})
        eventually(lambda: one.admin("/agents").json()["items"][:1])
        eventually(lambda: len(vitals(one)) == 3)
        yield one


@pytest.fixture(scope="module")
def kept(shared_redis: RedisServer) -> Kept:
    return Kept(shared_redis.url, PREFIX)


def vitals(gateway: GatewayProcess) -> list[dict[str, Any]]:
    agent = gateway.admin("/agents").json()["items"][0]["agent_id"]
    found: list[dict[str, Any]] = gateway.admin(f"/agents/{agent}/vitals").json()["items"]
    return found


@pytest.fixture(scope="module")
def incident(gateway: GatewayProcess, kept: Kept) -> Incident:
    """One that names the second exchange of an agent, and one that is not kept any more."""
    row = vitals(gateway)[1]
    at = 1.8e9 - 1e6

    def found(request_id: str, metric: str, deviation: float) -> Finding:
        return Finding(
            "output_token_spike", metric, deviation, at, row["agent_id"], request_id, "stub-echo", detail={"n": 1}
        )

    made = Incident(
        "inc_one",
        row["agent_id"],
        1.8e9,
        findings=(found(row["request_id"], "output", 7.1234), found("req_gone", "cost", -3.0)),
        diagnoses=(Diagnosis("cost_overrun", 0.6), Diagnosis("unknown", 0.4)),
        actions=(Action("cap_output", "applied", 1.8e9 + 5),),
        trigger="auto",
        asked={"heal": Asked("apr_1", "approved", "adk_kim"), "quarantine": Asked("apr_2")},
        state="PROBATION",
        reason="output_token_spike, +7.1 σ",
    )
    made = replace(made, findings=tuple(replace(one, at=1.6e9) for one in made.findings))
    kept.incidents(lambda incidents: incidents.open(made))
    return made


def test_an_incident_has_what_was_found_thought_and_done_and_the_exchanges(
    gateway: GatewayProcess, incident: Incident
) -> None:
    found = gateway.admin("/incidents/inc_one").json()
    assert (found["agent_id"], found["state"], found["trigger"]) == (incident.agent_id, "PROBATION", "auto")
    assert (found["opened_at"], found["closed_at"]) == ("2027-01-15T08:00:00.000Z", None)
    assert [(one["metric"], one["deviation"], one["hard"]) for one in found["findings"]] == [
        ("output", 7.12, False),
        ("cost", -3.0, False),
    ]
    assert found["findings"][0]["detail"] == {"n": 1} and found["findings"][0]["at"].endswith("Z")
    assert found["approval"] == "approved"
    assert found["detail"] == {
        "approval_id": "apr_1",
        "approval_by": "adk_kim",
        "quarantine_approval_id": "apr_2",
        "quarantine_approval": "pending",
    }
    assert found["diagnoses"][0] == {"cause": "cost_overrun", "confidence": 0.6}
    assert found["actions"] == [{"action": "cap_output", "outcome": "applied", "at": "2027-01-15T08:00:05.000Z"}]
    assert [row["request_id"] for row in found["vitals"]] == [incident.findings[0].request_id]
    assert found["vitals"][0] in vitals(gateway)


def test_incidents_are_listed_the_newest_first_and_by_agent(
    gateway: GatewayProcess, kept: Kept, incident: Incident
) -> None:
    fleet = Incident("inc_fleet", "", 1.8e9 + 60, closed_at=1.8e9 + 90, detail={"provider": "stub", "model": "m"})
    kept.incidents(lambda incidents: incidents.open(fleet))
    listed = gateway.admin("/incidents").json()
    assert [one["incident_id"] for one in listed["items"]][:2] == ["inc_fleet", "inc_one"]
    shown = listed["items"][0]
    assert (shown["agent_id"], shown["detail"]) == (None, {"provider": "stub", "model": "m"}) and "vitals" not in shown
    first = gateway.admin("/incidents?limit=1").json()
    rest = gateway.admin(f"/incidents?limit=1&cursor={first['next_cursor']}").json()
    assert [first["items"][0]["incident_id"], rest["items"][0]["incident_id"]] == ["inc_fleet", "inc_one"]
    for query, ids in (
        (f"agent_id={incident.agent_id}", ["inc_one"]),
        ("open=false", ["inc_fleet"]),
        ("open=true", ["inc_one"]),
    ):
        items = gateway.admin(f"/incidents?{query}").json()["items"]
        assert [one["incident_id"] for one in items] == ids
    problem(gateway.admin("/incidents?cursor=nowhere"), 422)
    problem(gateway.admin("/incidents/inc_none"), 404)


def test_a_cause_is_one_of_those_that_there_are(gateway: GatewayProcess, incident: Incident) -> None:
    told = problem(gateway.ask("POST", "/feedback", json={"incident_id": "inc_one", "actual_cause": "bad luck"}), 422)
    (error,) = told["errors"]
    assert error["field"] == "body.actual_cause" and "'prompt_drift'" in error["message"]
    unknown = {"incident_id": "inc_none", "actual_cause": "unknown"}
    problem(gateway.ask("POST", "/feedback", json=unknown), 404)


@pytest.mark.parametrize("path", ["/api/gateway/feedback", "/api/feedback"])
def test_a_person_says_what_it_was(gateway: GatewayProcess, kept: Kept, incident: Incident, path: str) -> None:
    cause = "prompt_drift" if path == "/api/feedback" else "infinite_loop"
    said = {"incident_id": "inc_one", "actual_cause": cause}
    answer = httpx.post(f"{gateway.url}{path}", json=said, headers={"x-admin-key": ADMIN_KEY}, timeout=20)
    assert (answer.status_code, answer.json()["actual_cause"]) == (200, cause)
    assert gateway.admin("/incidents/inc_one").json()["actual_cause"] == cause
    viewer = gateway.ask("POST", "/admin-keys", json={"role": "viewer"}).json()["api_key"]
    problem(gateway.ask("POST", "/feedback", key=viewer, json=said), 403)
    assert gateway.ask("GET", "/incidents", key=viewer).status_code == 200
