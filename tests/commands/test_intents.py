"""`leuko intent` and `leuko keys rotate`, as somebody at a terminal sees them."""

import base64
import json
import re
import secrets
from pathlib import Path

import pytest

from tests.commands.conftest import Leuko, read
from tests.support.gateway import GatewayProcess

PLAN = """
goal: look after the web service
steps:
  - {tool: get_status}
  - {tool: restart_service, arguments: {service: web}, after: [get_status]}
"""


@pytest.fixture
def agent(gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch) -> str:
    made: str = gateway.ask("POST", "/agents", json={"name": f"planner {secrets.token_hex(4)}"}).json()["agent_id"]
    key = gateway.ask("POST", f"/agents/{made}/keys").json()["api_key"]
    monkeypatch.setenv("GATEWAY_AGENT_KEY", key)
    return made


@pytest.fixture
def plan(tmp_path: Path) -> str:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return str(path)


def test_an_intent_is_planned_shown_verified_and_revoked(leuko: Leuko, agent: str, plan: str) -> None:
    made = read(leuko("intent", "plan", plan, "--ttl-seconds", "60", "-o", "json"))
    assert sorted(made) == ["expires_at", "intent_id", "token"]
    intent, issuer = made["intent_id"], _issuer(made["token"])
    listed = leuko("intent", "show", "--agent", agent).stdout
    assert re.search(rf"{intent}  active  {agent}  look after the web service .*get_status 0/1", listed)
    assert made["token"] not in listed
    one = leuko("intent", "show", intent).stdout
    assert re.search(r"^status +active$", one, re.MULTILINE) and "restart_service" in one
    said = read(leuko("intent", "verify", made["token"], "--issuer", issuer, "-o", "json"))
    assert (said["status"], said["jti"], said["act"]) == ("active", intent, {"sub": agent})
    assert leuko("intent", "revoke", intent).stdout == f"revoked {intent}\n"
    refused = leuko("intent", "verify", "-", "--issuer", issuer, code=3, input=made["token"] + "\n")
    assert "the intent is revoked" in refused.stderr


def test_a_token_that_is_not_good_says_why_and_how_the_command_ends(leuko: Leuko, agent: str, plan: str) -> None:
    token = read(leuko("intent", "plan", plan, "-o", "json"))["token"]
    issuer = _issuer(token)
    head, payload, signature = token.split(".")
    forged = f"{head}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    assert "bad_signature" in leuko("intent", "verify", forged, "--issuer", issuer, code=3).stderr
    assert "malformed" in leuko("intent", "verify", "nonsense", code=3).stderr
    assert "malformed" in leuko("intent", "verify", token, "--issuer", "another", code=3).stderr


def test_a_denied_plan_ends_with_three_and_names_the_rule(
    leuko: Leuko, gateway: GatewayProcess, agent: str, tmp_path: Path
) -> None:
    (tmp_path / "plan.json").write_text('{"goal": "g", "steps": [{"tool": "drop_table"}, {"tool": "refund"}]}')
    asked = str(tmp_path / "plan.json")
    document = {
        "name": "mine",
        "match": {"agents": [agent]},
        "tools": {"refund": {"approval": "always"}},
        "default": "allow",
    }
    leuko_policy = gateway.ask("PUT", "/policies/mine", json={**document, "deny": ["drop *"]})
    assert leuko_policy.status_code in (200, 201, 428), leuko_policy.text
    denied = leuko("intent", "plan", asked, code=3).stderr
    assert "403 Step s1 (drop_table) was refused by rule mine/deny/0" in denied
    (tmp_path / "plan.json").write_text('{"goal": "g", "steps": [{"tool": "refund"}]}')
    waiting = leuko("intent", "plan", asked, code=3)
    found = re.search(r"leuko approvals approve (apr_\w+)", waiting.stderr)
    assert found is not None
    leuko("approvals", "approve", found[1])
    assert "token" in leuko("intent", "plan", asked).stdout
    gateway.ask("DELETE", "/policies/mine")


def test_a_person_may_declare_it_in_an_agents_name(leuko: Leuko, agent: str, plan: str) -> None:
    made = read(leuko("intent", "plan", plan, "--as-person", "-o", "json"))
    assert read(leuko("intent", "show", made["intent_id"], "-o", "json"))["principal"] == "root"


def test_what_cannot_be_asked_is_wrong_usage(
    leuko: Leuko, monkeypatch: pytest.MonkeyPatch, plan: str, tmp_path: Path
) -> None:
    monkeypatch.delenv("GATEWAY_AGENT_KEY", raising=False)
    assert "GATEWAY_AGENT_KEY" in leuko("intent", "plan", plan, code=2).stderr
    (tmp_path / "list.yaml").write_text("- a")
    assert "no mapping" in leuko("intent", "plan", str(tmp_path / "list.yaml"), code=2).stderr
    assert "401" in leuko("intent", "plan", plan, "--agent-key", "agk_wrong", code=3).stderr
    assert "404" in leuko("intent", "show", "int_nobody", code=1).stderr
    assert "404" in leuko("intent", "revoke", "int_nobody", code=1).stderr


def test_the_keys_that_sign_are_rotated(leuko: Leuko, agent: str, plan: str) -> None:
    token = read(leuko("intent", "plan", plan, "-o", "json"))["token"]
    shown = leuko("keys", "rotate").stdout
    assert re.search(r"current +-\n", shown) and re.search(r"next +-\n", shown) and "retired" in shown
    leuko("intent", "verify", token, "--issuer", _issuer(token))


def _issuer(token: str) -> str:
    payload = token.split(".")[1]
    issuer: str = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["iss"]
    return issuer
