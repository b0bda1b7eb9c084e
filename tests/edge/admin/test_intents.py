"""`/intents`: what operators see of what agents declared."""

from typing import Any

import httpx

from tests.edge.admin.conftest import problem
from tests.support.gateway import ADMIN_KEY, GatewayProcess


def declared(gateway: GatewayProcess, name: str, *tools: str) -> dict[str, Any]:
    agent = gateway.ask("POST", "/agents", json={"name": name}).json()["agent_id"]
    key = gateway.ask("POST", f"/agents/{agent}/keys").json()["api_key"]
    body = {"goal": f"the work of {name}", "steps": [{"tool": tool} for tool in tools]}
    headers = {"authorization": f"Bearer {key}"}
    answer = httpx.post(f"{gateway.url}/api/v1/intents", json=body, headers=headers, timeout=20)
    assert answer.status_code == 201, answer.text
    return {**answer.json(), "agent_id": agent, "key": key}


def test_the_newest_stand_first_without_their_tokens(gateway: GatewayProcess) -> None:
    one, other = declared(gateway, "declares-1", "get_a"), declared(gateway, "declares-2", "get_b", "get_c")
    page = gateway.admin("/intents?limit=1").json()
    assert [item["intent_id"] for item in page["items"]] == [other["intent_id"]] and page["next_cursor"]
    rest = gateway.admin(f"/intents?cursor={page['next_cursor']}").json()
    assert rest["items"][0]["intent_id"] == one["intent_id"] and rest["next_cursor"] is None
    (own,) = gateway.admin(f"/intents?agent_id={one['agent_id']}").json()["items"]
    assert (own["goal"], own["status"], own["principal"]) == ("the work of declares-1", "active", None)
    assert one["token"] not in gateway.admin("/intents").text
    assert gateway.admin(f"/intents/{one['intent_id']}").json() == own
    problem(gateway.admin("/intents?cursor=nonsense"), 422)


def test_an_operator_revokes_any_and_the_record_says_who(gateway: GatewayProcess) -> None:
    made = declared(gateway, "declares-3", "get_a")
    path = f"/intents/{made['intent_id']}"
    viewer = gateway.ask("POST", "/admin-keys", json={"role": "viewer"}).json()["api_key"]
    problem(gateway.ask("DELETE", path, key=viewer), 403)
    assert gateway.ask("DELETE", path, key=ADMIN_KEY).status_code == 204
    assert gateway.ask("DELETE", path, key=ADMIN_KEY).status_code == 204
    assert gateway.admin(path).json()["status"] == "revoked"
    problem(gateway.ask("DELETE", "/intents/int_nobody"), 404)
    problem(gateway.admin("/intents/int_nobody"), 404)
