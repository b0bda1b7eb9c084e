"""`/agents/{id}/policy`, over a real gateway and Redis."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.edge.admin.agent_policy import name_for
from gateway.edge.admin.agents import as_agent
from gateway.store.agents import AgentRecord
from tests.edge.admin.conftest import problem, send
from tests.support.gateway import GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    """Another one than the package's, whose agents are counted."""
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": "agent-policy:"}
    with running_gateway("--stub", env=env) as one:
        yield one


@pytest.fixture
def agent_id(gateway: GatewayProcess, request: pytest.FixtureRequest) -> str:
    made = send(gateway, "POST", "/agents", {"name": request.node.name[:200]}).json()
    return str(made["agent_id"])


def allowed(gateway: GatewayProcess, agent_id: str, tool: str) -> Any:
    return send(gateway, "POST", "/policies/explain", {"agent_id": agent_id, "tool": tool}).json()["allowed"]


def test_lists_are_a_view_of_a_document(gateway: GatewayProcess, agent_id: str) -> None:
    path, name = f"/agents/{agent_id}/policy", name_for(agent_id)
    empty = send(gateway, "GET", path)
    assert (empty.json()["allow"], empty.json()["version"], "etag" in empty.headers) == ([], None, False)
    lists = {"allow": ["read *", {"action": "send:mail", "resource": "*"}], "deny": ["read:secrets"]}
    made = send(gateway, "PUT", path, lists)
    assert (made.status_code, made.json()["version"], made.json()["policy"]) == (200, 1, name)
    shown = send(gateway, "GET", path)
    assert {key: shown.json()[key] for key in lists} == lists and shown.headers["etag"] == made.headers["etag"]
    assert [allowed(gateway, agent_id, tool) for tool in ("read_file", "read_secrets", "drop_table")] == [
        True,
        False,
        False,
    ]
    document = send(gateway, "GET", f"/policies/{name}").json()["document"]
    assert document == {"name": name, "match": {"agents": [agent_id]}, **lists}
    assert send(gateway, "DELETE", path).status_code == 204
    assert send(gateway, "DELETE", path).status_code == 204
    assert allowed(gateway, agent_id, "drop_table")


def test_it_is_said_that_an_agent_without_proof_can_shake_its_policy_off(
    gateway: GatewayProcess, agent_id: str
) -> None:
    def ask(name: str) -> str:
        headers = {"authorization": "Bearer sk-0123456789-7731", "x-agent-id": name}
        body = {"model": "stub-echo", "messages": [{"role": "user", "content": "x"}]}
        answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=20)
        assert answer.status_code == 200, answer.text
        return str(answer.headers["x-gateway-agent-id"])

    unproved = ask("ann")
    assert ask("bob") != unproved  # what the warning is about
    eventually(lambda: send(gateway, "GET", f"/agents/{unproved}").status_code == 200)
    for one, warned in ((unproved, True), (agent_id, False)):
        for said in (
            send(gateway, "PUT", f"/agents/{one}/policy", {"deny": ["drop *"]}),
            send(gateway, "GET", f"/agents/{one}/policy"),
        ):
            assert said.status_code == 200, said.text
            assert ["X-Agent-Id" in warning for warning in said.json()["warnings"]] == [True] * warned
        send(gateway, "DELETE", f"/agents/{one}/policy")


def test_only_the_lists_of_the_document_are_changed(gateway: GatewayProcess, agent_id: str) -> None:
    path, name = f"/agents/{agent_id}/policy", name_for(agent_id)
    document = {"name": name, "match": {"agents": [agent_id]}, "limits": {"concurrent": 3}, "allow": ["read *"]}
    tag = send(gateway, "PUT", f"/policies/{name}", document).headers["etag"]
    problem(send(gateway, "PUT", path, {}, if_match='"1"'), 412)
    problem(send(gateway, "DELETE", path, if_match='"1"'), 412)
    assert send(gateway, "PUT", path, {"deny": ["drop *"]}, if_match=tag).status_code == 200
    after = send(gateway, "GET", f"/policies/{name}").json()["document"]
    assert after == {key: value for key, value in document.items() if key != "allow"} | {"deny": ["drop *"]}
    wider = {"name": name, "match": {"agents": ["*"]}}
    send(gateway, "PUT", f"/policies/{name}", wider, if_match="*")
    problem(send(gateway, "GET", path), 409)
    problem(send(gateway, "PUT", path, {}), 409)
    send(gateway, "DELETE", f"/policies/{name}", if_match="*")


def test_what_is_wrong_with_a_list_is_said_by_its_place(gateway: GatewayProcess, agent_id: str) -> None:
    path = f"/agents/{agent_id}/policy"
    found = problem(send(gateway, "PUT", path, {"allow": ["read *", "!"]}), 422)
    assert found["errors"][0]["field"] == "body.allow[1]"
    problem(send(gateway, "PUT", path, {"alow": []}), 422)
    for method, content in (("GET", None), ("PUT", {"deny": ["read *"]})):
        problem(send(gateway, method, "/agents/agt_none/policy", content), 404)


def test_what_holds_by_all_documents_is_shown_when_asked_for(gateway: GatewayProcess, agent_id: str) -> None:
    document = {
        "name": "effective",
        "match": {"agents": [agent_id]},
        "limits": {"requests_per_minute": 60},
        "budgets": {"usd_per_day": 2.5},
        "modes": {"NORMAL": {"allow": ["read *"]}, "EMERGENCY": {"allow": ["restart *"]}},
        "tools": {
            "read_file": {"arguments": {"path": {"path_in": ["/sim/**"]}}},
            "send_money": {"approval": "always"},
            "restart_web": {},
        },
    }
    assert send(gateway, "PUT", "/policies/effective", document).status_code == 201
    found = send(gateway, "GET", f"/agents/{agent_id}/policy?effective=true").json()
    assert (found["mode"], found["modes"]) == ("NORMAL", {"effective": "NORMAL"})
    assert found["allowed_tools"] == ["read_file"]
    assert (found["approval_tools"], found["blocked_tools"]) == (["send_money"], ["restart_web"])
    limits = {(one["policy"], one["limit"], one["kind"]): one["most"] for one in found["limits"]}
    assert limits[("effective", "usd_per_day", "budget")] == 2.5
    assert limits[("effective", "requests_per_minute", "limit")] == 60
    send(gateway, "DELETE", "/policies/effective", if_match="*")


@pytest.mark.parametrize("verified", [True, False])
def test_what_operators_call_an_agent_counts_for_one_that_proved_who_it_is(verified: bool) -> None:
    record = AgentRecord("agt_1", verified, None, "sre-1", None, 0.0, 0.0, (), (), (), 0, 0, 0)
    agent = as_agent(replace(record, owner_team="sre", environment="prod"))
    assert (agent.name, agent.owner_team, agent.environment) == (("sre-1", "sre", "prod") if verified else (None,) * 3)
