"""`/agents/{id}/keys` and what operators change of agents, over a real gateway and Redis."""

from typing import Any

import httpx
import pytest

from tests.edge.admin.conftest import problem
from tests.support.gateway import ADMIN_KEY, GatewayProcess


def call(gateway: GatewayProcess, method: str, path: str, body: Any = None) -> httpx.Response:
    headers = {"x-admin-key": ADMIN_KEY}
    return httpx.request(method, f"{gateway.url}/api/gateway{path}", json=body, headers=headers, timeout=20)


@pytest.fixture(scope="module")
def agent_id(gateway: GatewayProcess) -> Any:
    made = call(gateway, "POST", "/agents", {"name": "keyed", "owner_team": "payments"})
    assert made.status_code == 201
    yield made.json()["agent_id"]
    call(gateway, "DELETE", f"/agents/{made.json()['agent_id']}")


def test_a_key_is_shown_once(gateway: GatewayProcess, agent_id: str) -> None:
    made = call(gateway, "POST", f"/agents/{agent_id}/keys", {"expires_at": "2099-01-01T00:00:00Z"})
    assert made.status_code == 201
    key = made.json()
    assert key["api_key"].startswith(key["key_id"] + "_")
    listed = call(gateway, "GET", f"/agents/{agent_id}/keys")
    assert key["expires_at"] == listed.json()["items"][-1]["expires_at"] == "2099-01-01T00:00:00.000Z"
    assert key["api_key"] not in listed.text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"expires_at": "2001-01-01T00:00:00Z"}, "body.expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "body.expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-23:59"}, "body.expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+23:59"}, "body.expires_at"),
        ({"expires_at": 4102444800}, "body.expires_at"),
        ({"replaces": "agk_nobodys"}, "body.replaces"),
        ({"grace_seconds": -1}, "body.grace_seconds"),
        ({"color": "red"}, "body.color"),
    ],
)
def test_a_wrong_member_is_named(gateway: GatewayProcess, agent_id: str, body: Any, field: str) -> None:
    document = problem(call(gateway, "POST", f"/agents/{agent_id}/keys", body), 422)
    assert document["errors"][0]["field"] == field


def test_an_agent_that_was_only_found_gets_no_key(gateway: GatewayProcess) -> None:
    found = next(item for item in gateway.admin("/agents").json()["items"] if not item["verified"])
    problem(call(gateway, "POST", f"/agents/{found['agent_id']}/keys"), 409)
    problem(call(gateway, "POST", "/agents/agt_nobody/keys"), 404)


def test_an_agent_has_the_attributes_it_was_given(gateway: GatewayProcess, agent_id: str) -> None:
    changed = call(gateway, "PATCH", f"/agents/{agent_id}", {"environment": "prod", "owner_team": None}).json()
    assert (changed["name"], changed["owner_team"], changed["environment"]) == ("keyed", None, "prod")
    assert (changed["verified"], changed["active"]) == (True, True)
    assert changed["state"] == gateway.admin(f"/lifecycle/{agent_id}").json()["state"]
    problem(call(gateway, "POST", "/agents", {"name": "keyed"}), 409)
    problem(call(gateway, "PATCH", f"/agents/{agent_id}", {"activ": False}), 422)
    problem(call(gateway, "PATCH", "/agents/agt_nobody", {"active": False}), 404)


def test_agents_without_a_key_are_merged_and_split(gateway: GatewayProcess, agent_id: str) -> None:
    one, two = [item["agent_id"] for item in gateway.admin("/agents").json()["items"] if not item["verified"]][:2]
    assert call(gateway, "POST", f"/agents/{one}/merge", {"into": two}).json()["agent_id"] == two
    assert gateway.admin(f"/agents/{one}").json()["merged_into"] == two
    problem(call(gateway, "POST", f"/agents/{two}/merge", {"into": one}), 409)
    # Its requests are another agent's now: to stop it by this id would stop nothing.
    problem(call(gateway, "POST", f"/quarantine/{one}", {"reason": "x"}), 409)
    problem(call(gateway, "PATCH", f"/agents/{one}", {"active": False}), 409)
    problem(call(gateway, "POST", f"/agents/{one}/merge", {"into": agent_id}), 409)
    problem(call(gateway, "POST", f"/agents/{one}/merge", {"into": "agt_nobody"}), 404)
    assert call(gateway, "POST", f"/agents/{two}/split").json() == {"agent_id": two, "separated": [one]}
    assert gateway.admin(f"/agents/{one}").json()["merged_into"] is None


def test_nobody_leaves_quarantine_by_being_merged(gateway: GatewayProcess) -> None:
    one, two = [item["agent_id"] for item in gateway.admin("/agents").json()["items"] if not item["verified"]][:2]
    assert call(gateway, "POST", f"/quarantine/{one}", {"reason": "x"}).status_code == 200
    assert "release it first" in problem(call(gateway, "POST", f"/agents/{one}/merge", {"into": two}), 409)["detail"]
    assert call(gateway, "DELETE", f"/quarantine/{one}").status_code == 200
