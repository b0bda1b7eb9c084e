"""`/policies/validate`, `/explain` and `/replay`, over a real gateway and Redis."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from gateway.edge.admin import policy_questions
from gateway.edge.admin.access import Principal
from gateway.policy.document import Document, parse
from tests.edge.admin.conftest import problem, send
from tests.support.gateway import GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

OPS = """
name: ops
match: {agents: ["ops-*"]}
modes:
  NORMAL: {allow: ["read *"]}
  EMERGENCY: {allow: ["restart:service"]}
always_blocked: ["delete:database"]
tools:
  restart_service: {action: "restart:service", arguments: {service: {enum: [web, api]}}}
"""


@pytest.fixture(scope="module")
def own(shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": "questions:"}
    with running_gateway("--stub", env=env) as gateway:
        assert send(gateway, "PUT", "/policies/ops", OPS).status_code == 201
        yield gateway


def agent(gateway: GatewayProcess, name: str) -> tuple[str, str]:
    """Its id and a key."""
    agent_id = send(gateway, "POST", "/agents", {"name": name}).json()["agent_id"]
    return agent_id, send(gateway, "POST", f"/agents/{agent_id}/keys").json()["api_key"]


def explain(gateway: GatewayProcess, **asked: Any) -> dict[str, Any]:
    answer = send(gateway, "POST", "/policies/explain", asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_document_is_valid_or_it_is_said_what_is_wrong_with_it(own: GatewayProcess) -> None:
    assert send(own, "POST", "/policies/validate", OPS).json() == {"valid": True, "problems": []}
    found = send(own, "POST", "/policies/validate", {"name": "x", "alow": ["read *"]}).json()
    assert found == {
        "valid": False,
        "problems": [{"path": "alow", "message": "is not known", "hint": "did you mean allow?"}],
    }
    case = OPS + "cases: [{call: {tool: read_file}, expect: deny}]"
    assert send(own, "POST", "/policies/validate", case).json()["problems"][0]["path"] == "cases[0]"


def test_a_call_is_explained_by_every_rule_that_was_looked_at(own: GatewayProcess) -> None:
    agent_id, _ = agent(own, "ops-explained")
    normal = explain(own, agent_id=agent_id, tool="restart_service", arguments={"service": "web"})
    assert (normal["allowed"], normal["mode"], normal["policy"]) == (False, "NORMAL", "ops@1")
    emergency = explain(own, agent_id=agent_id, tool="restart_service", arguments={"service": "web"}, mode="EMERGENCY")
    assert (emergency["allowed"], emergency["rule"], emergency["mode"]) == (
        True,
        "ops/modes/EMERGENCY/allow/0",
        "EMERGENCY",
    )
    assert {"ops/always_blocked/0", "ops/modes/EMERGENCY/allow/0"} <= {one["rule"] for one in emergency["looked_at"]}
    wrong = explain(own, agent_id=agent_id, tool="restart_service", arguments={"service": "db"}, mode="EMERGENCY")
    assert not wrong["allowed"] and "db" not in wrong["reason"]
    blocked = explain(own, agent_id=agent_id, action="Delete Database", resource="main")
    assert (blocked["allowed"], blocked["rule"], blocked["action"]) == (
        False,
        "ops/always_blocked/0",
        "delete:database",
    )
    assert explain(own, tool="delete_database")["allowed"]  # by nobody the document is about


def test_what_cannot_be_explained_is_refused_by_field(own: GatewayProcess) -> None:
    found = problem(send(own, "POST", "/policies/explain", {"tool": "x", "mode": "PANIC"}), 422)
    assert found["errors"][0]["field"] == "body.mode" and "EMERGENCY, NORMAL" in found["errors"][0]["message"]
    problem(send(own, "POST", "/policies/explain", {}), 422)
    problem(send(own, "POST", "/policies/explain", {"tool": "x", "agent_id": "agt_none"}), 404)


MIXED: list[tuple[str, dict[str, Any]]] = [
    ("read_file", {"path": "/sim/a"}),
    ("read_file", {"path": "/etc/shadow"}),
    ("restart_service", {"service": "web"}),
    ("restart_service", {"service": "db"}),
    ("delete_database", {"name": "main"}),
    ("send_money", {"to": "alice", "amount": 300}),
    ("send_money", {"to": "bob", "amount": 300}),
    ("send_money", {"to": "bob", "amount": 900}),
    ("run_command", {"command": "cat /sim/log"}),
    ("run_command", {"command": "cat /sim/log; rm -rf /"}),
    ("read_secrets", {}),
    ("send_mail", {"to": "x"}),
]
CANDIDATE: dict[str, Any] = {
    "name": "exact",
    "default": "allow",
    "always_blocked": ["delete:database"],
    "deny": [{"action": "restart:service"}],
    "models": {"deny": ["stub-echo"]},
    "tools": {
        "read_file": {"arguments": {"path": {"path_in": ["/sim/**"]}}},
        "send_money": {"arguments": {"to": {}, "amount": {"maximum": 500, "sum_max": {"value": 500, "per": "day"}}}},
        "run_command": {"arguments": {"command": {"command": {"allow": ["cat"], "paths": ["/sim/**"]}}}},
    },
    "sequence": [{"after": "read:secrets", "deny": "send:mail", "within": "1h"}],
}


def test_what_a_replay_says_is_what_then_happens(own: GatewayProcess) -> None:
    _, key = agent(own, "exact")

    def ask(model: str, tool: str, arguments: dict[str, Any]) -> httpx.Response:
        body = {
            "model": model,
            "messages": [{"role": "user", "content": f"Go on with {tool} {arguments}"}],
            "tools": [{"type": "function", "function": {"name": tool, "parameters": {}}}],
            "stub": [{"calls": [{"name": tool, "arguments": arguments}]}],
        }
        headers = {"authorization": f"Bearer {key}"}
        return httpx.post(f"{own.url}/v1/chat/completions", json=body, headers=headers, timeout=20)

    def denied() -> list[int]:
        answers = [ask("stub-script", tool, arguments) for tool, arguments in MIXED]
        return [position for position, answer in enumerate(answers) if "x-gateway-denied" in answer.headers]

    assert denied() == [] and ask("stub-echo", "none", {}).status_code == 200

    def replayed() -> dict[str, Any]:
        body = {"document": CANDIDATE}
        found: dict[str, Any] = send(own, "POST", "/policies/replay", body).json()
        return found

    eventually(lambda: any(one["model"] == "stub-echo" for one in replayed()["items"]))
    found = replayed()["items"]
    told = [MIXED.index((one["tool"], one["arguments"])) for one in found if one["kind"] == "call"]
    assert [(one["model"], one["after"]["said"]) for one in found if one["kind"] == "request"] == [
        ("stub-echo", "deny")
    ]
    assert send(own, "PUT", "/policies/exact", CANDIDATE).status_code == 201
    assert denied() == told == [1, 2, 3, 4, 6, 7, 9, 11]
    assert ask("stub-echo", "none", {}).status_code == 403
    send(own, "DELETE", "/policies/exact", if_match="*")


def test_a_candidate_is_tried_on_recorded_calls_and_exactly_what_changes_is_listed(own: GatewayProcess) -> None:
    agent_id, key = agent(own, "caller")
    for tool in ("read_file", "restart_web", "restart_db", "send_mail"):
        call = {"calls": [{"name": tool, "arguments": {"path": "a", "password": "hunter2-secret"}}]}
        ask = {
            "model": "stub-script",
            "messages": [{"role": "user", "content": "Go"}],
            "tools": [{"type": "function", "function": {"name": tool, "parameters": {}}}],
            "stub": [call],
        }
        headers = {"authorization": f"Bearer {key}"}
        answer = httpx.post(f"{own.url}/v1/chat/completions", json=ask, headers=headers, timeout=20)
        assert answer.status_code == 200, answer.text
    candidate = {"name": "candidate", "match": {"agents": [agent_id]}, "deny": ["restart *"]}

    def replayed(**more: Any) -> dict[str, Any]:
        found: dict[str, Any] = send(own, "POST", "/policies/replay", {"document": candidate, **more}).json()
        return found

    eventually(lambda: sum(one["kind"] == "call" for one in replayed()["items"]) == 2)
    found = replayed()
    assert (found["changed"], found["undecided"]) == (2, 0)
    calls = found["items"]
    assert [one["tool"] for one in calls] == ["restart_web", "restart_db"]
    assert [(one["before"]["said"], one["after"]["said"], one["after"]["rule"]) for one in calls] == [
        ("allow", "deny", "candidate/deny/0")
    ] * 2
    assert calls[0]["agent_id"] == agent_id and calls[0]["covered"]
    assert "hunter2" not in str(found) and calls[0]["arguments"]["path"] == "a"
    candidate["deny"] = []
    assert (replayed()["changed"], replayed(since=calls[1]["time"])["judged"] < found["judged"]) == (0, True)
    wrong = problem(send(own, "POST", "/policies/replay", {"document": {"name": "x", "alow": []}}), 422)
    assert wrong["errors"][0]["field"] == "body.document.alow"


async def test_however_many_documents_viewers_send_two_are_looked_at_together() -> None:
    """Each may take a thread, or much of the loop, from the agents that are served."""
    app, going, most = FastAPI(), 0, 0

    @app.middleware("http")
    async def known(request: Request, following):  # type: ignore[no-untyped-def]
        request.state.principal = Principal("adk_1", "viewer")
        return await following(request)

    async def checked(raw: Mapping[str, Any]) -> Document:
        nonlocal going, most
        going += 1
        most = max(most, going)
        for _ in range(20):
            await asyncio.sleep(0)
        going -= 1
        return parse(raw, "body")

    unused: dict[str, Any] = dict.fromkeys(("about", "modes", "recall", "calls", "replay", "clock"))
    app.include_router(policy_questions.router(None, checked, None, **unused))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        asked = [client.post("/policies/validate", json={"name": f"p{n}"}) for n in range(20)]
        answers = await asyncio.gather(*asked)
    assert {one.json()["valid"] for one in answers} == {True} and most == 2
