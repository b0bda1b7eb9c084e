"""`/admin-keys` and roles, over a real gateway and Redis."""

from typing import Any

import httpx
import pytest

from tests.edge.admin.conftest import problem
from tests.support.gateway import GatewayProcess


def make(gateway: GatewayProcess, **body: Any) -> dict[str, Any]:
    answer = gateway.ask("POST", "/admin-keys", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_made_key_opens_what_its_role_says_until_it_is_deleted(gateway: GatewayProcess) -> None:
    made = make(gateway, role="viewer", name="a dashboard")
    key = made["api_key"]
    assert key.startswith(made["key_id"] + "_") and made["key_id"].startswith("adk_")
    assert gateway.ask("GET", "/agents", key=key).status_code == 200
    refused = problem(gateway.ask("GET", "/admin-keys", key=key), 403)
    assert refused["detail"] == "This takes the role admin; the key shown has viewer."
    listed = gateway.ask("GET", "/admin-keys").json()["items"]
    shown = next(item for item in listed if item["key_id"] == made["key_id"])
    assert shown == {k: v for k, v in made.items() if k != "api_key"}
    for _ in range(2):
        assert gateway.ask("DELETE", f"/admin-keys/{made['key_id']}").status_code == 204
    problem(gateway.ask("GET", "/agents", key=key), 401)


def test_the_key_of_the_settings_cannot_be_deleted(gateway: GatewayProcess) -> None:
    problem(gateway.ask("DELETE", "/admin-keys/root"), 409)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "god"}, "body.role"),
        ({"role": "viewer", "colour": "red"}, "body.colour"),
        ({"role": "viewer", "name": ""}, "body.name"),
        ({"role": "viewer", "name": "\x00"}, "body.name"),
        ({"role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}, "body.expires_at"),
        ({"role": "viewer", "expires_at": "2099-01-01T00:00:00"}, "body.expires_at"),
        ({"role": "viewer", "expires_at": "9999-12-31T23:59:59-10:00"}, "body.expires_at"),
        ({"role": "viewer", "expires_at": 4070908800}, "body.expires_at"),
        ({}, "body.role"),
    ],
)
def test_what_is_wrong_with_a_new_key_is_named(gateway: GatewayProcess, body: dict[str, Any], field: str) -> None:
    assert problem(gateway.ask("POST", "/admin-keys", json=body), 422)["errors"][0]["field"] == field


def test_a_key_may_expire(gateway: GatewayProcess) -> None:
    made = make(gateway, role="operator", expires_at="2099-01-01T01:00:00+01:00")
    assert made["expires_at"] == "2099-01-01T00:00:00.000Z"
    assert gateway.ask("GET", "/stats", key=made["api_key"]).status_code == 200


def test_who_has_no_key_does_not_learn_which_paths_exist(gateway: GatewayProcess) -> None:
    for path in ("/api/gateway/nowhere", "/api/gateway", "/api/elsewhere"):
        answer = httpx.post(gateway.url + path, content=b"{", headers={"content-type": "application/json"})
        assert (problem(answer, 401), answer.headers["www-authenticate"]) and answer.status_code == 401
