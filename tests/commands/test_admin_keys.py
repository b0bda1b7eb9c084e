"""`leuko admin-keys`."""

import pytest

from tests.commands.conftest import Leuko, read
from tests.support.gateway import GatewayProcess


def opens(gateway: GatewayProcess, key: str, method: str = "GET", path: str = "/agents") -> int:
    return gateway.ask(method, path, key=key, json={"reason": "a drill"} if method != "GET" else None).status_code


@pytest.mark.parametrize(
    ("role", "acts", "changes"), [("viewer", 403, 403), ("operator", 404, 403), ("admin", 404, 200)]
)
def test_a_key_opens_what_its_role_may(
    leuko: Leuko, gateway: GatewayProcess, role: str, acts: int, changes: int
) -> None:
    made = read(leuko("admin-keys", "create", "--role", role, "--name", "a person", "-o", "json"))
    key = made["api_key"]
    assert key.startswith("adk_") and made["role"] == role and made["name"] == "a person"
    assert opens(gateway, key) == 200
    assert opens(gateway, key, "POST", "/quarantine/agt_nobody") == acts
    assert opens(gateway, key, path="/admin-keys") == changes


def test_a_key_is_listed_without_itself_and_revoked(leuko: Leuko, gateway: GatewayProcess) -> None:
    made = read(leuko("admin-keys", "create", "--role", "viewer", "--expires-at", "2099-01-01T00:00:00Z", "-o", "json"))
    listed = leuko("admin-keys", "list").stdout
    assert made["key_id"] in listed and "2099-01-01" in listed and made["api_key"] not in listed
    assert leuko("admin-keys", "revoke", made["key_id"]).stdout == f"revoked {made['key_id']}\n"
    assert opens(gateway, made["api_key"]) == 401
    assert leuko("admin-keys", "revoke", made["key_id"]).stdout == f"there was no key {made['key_id']}\n"


def test_what_cannot_be_is_told(leuko: Leuko) -> None:
    assert "--role" in leuko("admin-keys", "create", code=2).stderr
    assert "viewer" in leuko("admin-keys", "create", "--role", "god", code=2).stderr
    assert "expires_at" in leuko("admin-keys", "create", "--role", "viewer", "--expires-at", "soon", code=1).stderr
    assert "settings" in leuko("admin-keys", "revoke", "root", code=1).stderr
