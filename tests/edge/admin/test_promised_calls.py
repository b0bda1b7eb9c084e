"""What operators' programs rely on: each call, the members of what it answers, and one way for lists, times, errors."""

import re
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.edge.admin.conftest import problem
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

CALLS = """
GET POST             /agents
GET PATCH DELETE     /agents/{}
POST                 /agents/{}/keys
DELETE               /agents/{}/keys/{}
GET PUT DELETE       /agents/{}/policy
POST                 /agents/{}/merge
POST                 /agents/{}/split
GET                  /agents/{}/vitals
GET                  /agent/{}/vitals
GET                  /agents/{}/baseline
POST                 /agents/{}/baseline/accept
GET                  /stats
GET                  /usage
GET                  /lifecycle/{}
GET                  /quarantine
POST DELETE          /quarantine/{}
GET                  /incidents
GET                  /incidents/{}
POST                 /feedback
GET                  /healing
GET                  /healing/patterns
POST                 /agents/{}/heal
POST                 /heal-all
GET                  /approvals
POST                 /approvals/{}/approve
POST                 /approvals/{}/reject
POST                 /approvals/approve-all
POST                 /approvals/reject-all
GET                  /policies
GET PUT DELETE       /policies/{}
GET                  /policies/{}/versions
POST                 /policies/{}/rollback
POST                 /policies/validate
POST                 /policies/explain
POST                 /policies/replay
GET PUT              /mode
GET POST             /providers
DELETE               /providers/{}
GET POST             /routes
DELETE               /routes/{}
GET                  /intents
DELETE               /intents/{}
POST                 /signing-keys/rotate
GET                  /tools
POST                 /tools/{}/{}/approve
GET                  /audit
GET                  /logs
GET                  /audit/checkpoint
GET                  /audit/proof/{}/{}
GET                  /audit/verify
GET                  /audit/export
GET POST             /admin-keys
DELETE               /admin-keys/{}
GET                  /events
GET                  /openapi.json
GET                  /docs
"""
SHAPES = {
    "agent": """agent_id name verified state deviation owner_team environment active first_seen last_seen models tools
        mcp_servers client credential requests input_tokens output_tokens cost_usd evidence""",
    "audit": """entry time request_id agent_id source action resource tool allowed rule reason mode policy result
        args_hash context metadata""",
    "stats": """agents executions findings infections quarantined healed success_rate pending_approvals runtime_seconds
        denied tokens cost_usd""",
    "approval": "approval_id kind agent_id status created_at expires_at tool arguments rule deviation decided_by",
    "incident": "incident_id agent_id opened_at closed_at state findings diagnoses actions trigger",
}
BASE = "/api/gateway"
NOT_JSON = {"/events", "/audit/export", "/metrics", "/docs", "/openapi.json"}
ANSWERED = {"/policies/validate"}
"""Says what is wrong with a document in its answer."""


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    """One of its own: what is made here must not be found by other tests."""
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": f"promised{secrets.token_hex(4)}:"}
    with running_gateway("--stub", env=env) as one:
        yield one


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    headers = {"x-admin-key": ADMIN_KEY}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=20, trust_env=False) as one:
        yield one


@pytest.fixture(scope="module")
def described(client: httpx.Client) -> dict[str, Any]:
    document: dict[str, Any] = client.get(f"{BASE}/openapi.json").json()
    return document


def operations(described: dict[str, Any], method: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path with an id of nothing, and what is said of it."""
    for path, item in described["paths"].items():
        for name, operation in item.items():
            if name in (method or name):
                yield name, re.sub(r"\{\w+\}", "agt_nobody", path), operation


def test_every_promised_call_is_there(described: dict[str, Any]) -> None:
    there = {
        (name.upper(), re.sub(r"\{\w+\}", "{}", path)) for path, item in described["paths"].items() for name in item
    }
    rows = (line.split() for line in CALLS.strip().splitlines())
    assert {(method, BASE + path) for *methods, path in rows for method in methods} - there == set()


def test_no_call_takes_a_member_that_it_does_not_know(client: httpx.Client, described: dict[str, Any]) -> None:
    for method, path, operation in operations(described):
        if "requestBody" in operation and path.removeprefix(BASE) not in ANSWERED:
            found = problem(client.request(method, path, json={"no_such_member": 1}), 422)
            assert "body.no_such_member" in [error["field"] for error in found["errors"]], path


def test_to_delete_what_is_not_there_is_the_same_each_time(client: httpx.Client, described: dict[str, Any]) -> None:
    for _, path, _ in operations(described, "delete"):
        if "session" not in path:
            answers = [client.delete(path, headers={"if-match": "*"}).status_code for _ in range(2)]
            assert answers in ([204, 204], [404, 404]), path


def test_lists_are_lists_and_times_are_utc(client: httpx.Client, described: dict[str, Any]) -> None:
    for _, path, _ in operations(described, "get"):
        if "agt_nobody" in path or path.removeprefix(BASE) in NOT_JSON:
            continue
        answer = client.get(path)
        assert answer.status_code == 200, path
        for at in re.findall(r'"(\d{4}-\d\d-\d\d[T ][^"]*)"', answer.text):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", at), path
        if "items" in (document := answer.json()):
            assert isinstance(document["items"], list) and "next_cursor" in document, path


def test_what_is_answered_has_the_members_that_were_promised(client: httpx.Client, described: dict[str, Any]) -> None:
    agent = client.post(f"{BASE}/agents", json={"name": "promised"}).json()
    client.post(f"{BASE}/quarantine/{agent['agent_id']}", json={"reason": "to see an incident"})
    incidents = f"{BASE}/incidents?agent_id={agent['agent_id']}"
    eventually(lambda: client.get(incidents).json()["items"])
    answered = {
        "agent": agent,
        "audit": client.get(f"{BASE}/audit").json()["items"][0],
        "stats": client.get(f"{BASE}/stats").json(),
        "approval": described["components"]["schemas"]["ShownApproval"]["properties"],
        "incident": client.get(incidents).json()["items"][0],
    }
    assert {name: set(SHAPES[name].split()) - set(shown) for name, shown in answered.items()} == dict.fromkeys(
        SHAPES, set()
    )
    assert agent["agent_id"].startswith("agt_") and answered["incident"]["incident_id"].startswith("inc_")


def test_a_method_that_a_path_does_not_have_is_told_which_it_has(client: httpx.Client) -> None:
    answer = client.delete(f"{BASE}/stats")
    assert problem(answer, 405) and answer.headers["allow"] == "GET"


def test_other_names_of_a_call_answer_as_it_does(client: httpx.Client) -> None:
    for path in ("/health", "/health/live", "/health/ready"):
        assert client.get(path).json() == {"status": "ok"}
    said = {"incident_id": "inc_none", "actual_cause": "unknown"}
    answers = [client.post(path, json=said) for path in (f"{BASE}/feedback", "/api/feedback")]
    assert answers[0].json() == answers[1].json() and problem(answers[1], 404)
    assert client.get(f"{BASE}/logs?limit=1").json().keys() == client.get(f"{BASE}/audit?limit=1").json().keys()
    alone = httpx.post(str(answers[1].url), json=said, trust_env=False)
    assert problem(alone, 401)
