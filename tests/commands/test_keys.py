"""`leuko keys`."""

from tests.commands.conftest import Leuko, read
from tests.support.gateway import GatewayProcess


def test_a_key_is_made_listed_replaced_and_revoked(leuko: Leuko, gateway: GatewayProcess) -> None:
    agent = gateway.ask("POST", "/agents", json={"name": "a worker"}).json()["agent_id"]
    made = read(leuko("keys", "create", agent, "--expires-at", "2099-01-01T00:00:00Z", "-o", "json"))
    assert made["api_key"].startswith("agk_")
    listed = leuko("keys", "list", agent).stdout
    assert made["key_id"] in listed and made["api_key"] not in listed
    leuko("keys", "create", agent, "--replaces", made["key_id"], "--grace-seconds", "0")
    assert made["key_id"] not in leuko("keys", "list", agent).stdout
    assert leuko("keys", "revoke", agent, made["key_id"]).stdout == f"there was no key {made['key_id']} of {agent}\n"
    (left,) = read(leuko("keys", "list", agent, "-o", "json"))
    assert leuko("keys", "revoke", agent, left["key_id"]).stdout == f"revoked {left['key_id']}\n"
    assert "agt_nobody" in leuko("keys", "revoke", "agt_nobody", "agk_12345678", code=1).stderr
