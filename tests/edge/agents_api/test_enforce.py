"""`POST /api/v1/enforce`, over a real gateway and Redis."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.model.audit import decision_id
from tests.edge.admin.conftest import problem
from tests.edge.agents_api.conftest import INGEST_KEY, AgentsApi
from tests.support.gateway import eventually, running_gateway
from tests.support.redis import RedisServer

POLICY = {
    "name": "ops",
    "match": {"teams": ["ops"]},
    "allow": ["read *", {"action": "write:file", "resource": "s3://docs/*"}],
    "deny": ["delete:database", {"action": "export:file", "resource": "s3://secret/*"}],
    "modes": {"NORMAL": {}, "EMERGENCY": {"allow": ["restart:service"]}},
    "tools": {
        "lend": {"arguments": {"days": {"type": "integer", "sum_max": {"value": 5, "per": "conversation"}}}},
        "export_file": {"resource": "{path}", "arguments": {"path": {}}},
        "scale_fleet": {"arguments": {"count": {"type": "integer", "minimum": 0, "maximum": 10}}},
        "refund": {
            "approval": "always",
            "arguments": {"amount": {"type": "number", "sum_max": {"value": 100, "per": "day"}}},
        },
    },
}


@pytest.fixture(scope="module")
def ops(shared_redis: RedisServer) -> Iterator[AgentsApi]:
    """A gateway with a policy, and an agent it is about."""
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": f"enf{secrets.token_hex(4)}:",
        "INGEST_API_KEY": INGEST_KEY,
        "GATEWAY_POLICIES": json.dumps([POLICY]),
    }
    with running_gateway("--stub", env=env) as gateway:
        made = httpx.post(
            f"{gateway.url}/api/v1/agents/register",
            json={"name": "sre", "owner_team": "ops"},
            headers={"authorization": f"Bearer {INGEST_KEY}"},
        ).json()
        yield AgentsApi(gateway, made["agent_id"], made["api_key"])


def asked(api: AgentsApi, action: str, resource: str = "", **more: Any) -> dict[str, Any]:
    answer = api.post("/enforce", {"action": action, "resource": resource, **more}, api.agent_key)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def test_both_outcomes_are_answers_with_all_their_members(ops: AgentsApi) -> None:
    allowed, denied = asked(ops, "read:file", "s3://docs/a"), asked(ops, "delete database", "prod")
    members = ["allowed", "reason", "rule", "decision_id", "mode", "approval_id"]
    assert list(allowed) == list(denied) == members
    assert (allowed["allowed"], allowed["rule"], allowed["mode"]) == (True, "ops/allow/0", "NORMAL")
    assert (denied["allowed"], denied["rule"], denied["approval_id"]) == (False, "ops/deny/0", None)


def test_the_decision_can_be_found_in_the_audit_record(ops: AgentsApi) -> None:
    said = asked(ops, "writeFile", "s3://private/a", context={"ticket": "OPS-7"})

    def entry() -> dict[str, Any] | None:
        items = ops.gateway.admin(f"/audit?decision_id={said['decision_id']}").json()["items"]
        return items[0] if items else None

    eventually(lambda: entry() is not None)
    found = entry() or {}
    assert (found["kind"], found["source"], found["allowed"]) == ("decision", "gateway", False)
    assert (found["resource"], found["rule"], found["mode"]) == ("s3://private/a", said["rule"], "NORMAL")
    assert found["context"] == {"ticket": "OPS-7"}
    assert decision_id(found["entry"]) == said["decision_id"]
    eventually(lambda: ops.gateway.admin(f"/audit/proof/{found['entry']}").status_code == 200)


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [({"count": 3}, True), ({"count": -3}, False), ({"count": 3, "force": True}, False), ({"count": "3"}, False)],
)
def test_a_tools_arguments_are_judged(ops: AgentsApi, arguments: dict[str, Any], allowed: bool) -> None:
    assert asked(ops, "scale:fleet", tool="scale_fleet", arguments=arguments)["allowed"] is allowed


def test_whoever_names_a_harmless_action_for_a_tool_is_judged_by_the_tool_too(ops: AgentsApi) -> None:
    assert asked(ops, "read:file", tool="read_file")["allowed"]
    assert not asked(ops, "read:file", tool="delete_database")["allowed"]
    assert not asked(ops, "delete:database", tool="read_file")["allowed"]


def test_whoever_states_a_harmless_resource_for_a_tool_is_judged_by_its_arguments(ops: AgentsApi) -> None:
    stated: dict[str, Any] = {"action": "export:file", "resource": "s3://docs/a", "tool": "export_file"}
    assert asked(ops, **stated, arguments={"path": "s3://docs/a"})["allowed"]
    assert not asked(ops, **stated, arguments={"path": "s3://secret/a"})["allowed"]


def test_what_a_person_approves_is_allowed_once_and_counted(ops: AgentsApi) -> None:
    call = {"tool": "refund", "arguments": {"amount": 60}}
    waiting = asked(ops, "refund", **call)
    assert (waiting["allowed"], waiting["rule"]) == (False, "approval")
    path = f"/approvals/{waiting['approval_id']}/approve"
    assert ops.gateway.ask("POST", path, json={"reason": "fine"}).status_code == 200
    assert asked(ops, "refund", **call)["allowed"]
    again = asked(ops, "refund", **call)
    assert (again["allowed"], again["rule"]) == (False, "ops/tools/refund/amount"), "120 a day are too many"
    assert asked(ops, "refund", tool="refund", arguments={"amount": 40})["rule"] == "approval"


def test_what_a_policy_counts_in_each_conversation_is_counted_there(ops: AgentsApi) -> None:
    body = {"action": "lend", "tool": "lend", "arguments": {"days": 3}}
    answers = [
        ops.post("/enforce", body, ops.agent_key, **{"x-agent-session": session}).json()["allowed"]
        for session in ("one", "one", "two")
    ]
    assert answers == [True, False, True]


def test_a_quarantined_agent_is_told_so(ops: AgentsApi) -> None:
    made = ops.post("/agents/register", {"name": "to-be-blocked"}).json()
    ops.gateway.ask("POST", f"/quarantine/{made['agent_id']}", json={"reason": "it loops"})
    said = ops.post("/enforce", {"action": "read:file", "resource": "a"}, made["api_key"]).json()
    assert (said["allowed"], said["rule"]) == (False, "lifecycle")
    assert "it loops" in said["reason"]
    ops.gateway.ask("PATCH", f"/agents/{made['agent_id']}", json={"active": False})
    ops.gateway.ask("DELETE", f"/quarantine/{made['agent_id']}", json={"reason": "over"})

    def deactivated() -> bool:
        again = ops.post("/enforce", {"action": "read:file", "resource": "a"}, made["api_key"])
        return again.status_code == 401 or "deactivated" in again.json().get("reason", "")

    eventually(deactivated)


def test_only_agents_that_proved_who_they_are_are_answered(ops: AgentsApi) -> None:
    body = {"action": "read:file", "resource": "a"}
    problem(ops.post("/enforce", body, None), 401)
    problem(ops.post("/enforce", body, "sk-somebody-0123456789"), 401)
    problem(ops.post("/enforce", body), 403)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"resource": "a"}, "body.action"),
        ({"action": "read:file", "resource": "a\x00"}, "body.resource"),
        ({"action": "read:file", "arguments": [1]}, "body.arguments"),
        ({"action": "read:file", "agent_id": "agt_other"}, "body.agent_id"),
        ({"action": "read:file", "context": {"a": [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}}, "body.context"),
    ],
)
def test_what_is_wrong_with_a_question_is_named(ops: AgentsApi, body: dict[str, Any], field: str) -> None:
    assert problem(ops.post("/enforce", body, ops.agent_key), 422)["errors"][0]["field"].startswith(field)


def test_arguments_that_two_readers_would_read_differently_are_refused(ops: AgentsApi) -> None:
    headers = {"x-agent-key": ops.agent_key, "content-type": "application/json"}
    text = '{"action":"scale:fleet","tool":"scale_fleet","arguments":{"count":3,"count":-3}}'
    answer = httpx.post(f"{ops.gateway.url}/api/v1/enforce", content=text, headers=headers)
    assert "count" in problem(answer, 400)["detail"]


def test_a_wish_for_a_plan_is_heard_and_a_strange_one_is_no_permission(ops: AgentsApi) -> None:
    body = {"action": "read:file", "resource": "s3://docs/a"}
    planned = ops.post("/enforce", body, ops.agent_key, **{"x-gateway-execution": "plan_only"}).json()
    assert (planned["allowed"], planned["rule"]) == (False, "execution")
    strange = ops.post("/enforce", body, ops.agent_key, **{"x-gateway-execution": "plan-only"})
    assert "plan_only or execute_safe" in problem(strange, 400)["detail"]


def test_two_intent_tokens_that_differ_are_refused(ops: AgentsApi) -> None:
    body = {"action": "read:file", "resource": "a", "intent_token": "one"}
    assert (
        "Two different"
        in problem(ops.post("/enforce", body, ops.agent_key, **{"x-intent-token": "two"}), 400)["detail"]
    )
    said = ops.post("/enforce", body, ops.agent_key, **{"x-intent-token": "one"}).json()
    assert (said["allowed"], said["rule"]) == (False, "intent")


def test_a_context_is_small(ops: AgentsApi) -> None:
    body = {"action": "read:file", "resource": "a", "context": {"a": "x" * 5000}}
    problem(ops.post("/enforce", body, ops.agent_key), 413)
