"""`/mode`, over a real gateway and Redis."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.edge.admin.conftest import problem
from tests.support.gateway import GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

OPS = {"name": "ops", "modes": {"NORMAL": {"allow": ["read *"]}, "EMERGENCY": {"allow": ["restart *"]}}}
DATA = {"name": "data", "modes": {"OPEN": {"allow": ["read *"]}, "FROZEN": {}}}


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": "mode:",
        "GATEWAY_POLICIES": json.dumps([OPS, DATA]),
    }
    with running_gateway(env=env) as one:
        yield one


def put(gateway: GatewayProcess, mode: str | None, **members: Any) -> Any:
    return gateway.ask("PUT", "/mode", json={"mode": mode, "reason": "a test", **members})


def test_without_any_documents_are_in_their_start_mode(gateway: GatewayProcess) -> None:
    found = gateway.admin("/mode").json()
    assert (found["mode"], found["items"]) == (None, [])
    assert found["policies"]["ops"] == ["NORMAL", "EMERGENCY"] and found["policies"]["data"] == ["OPEN", "FROZEN"]


def test_a_mode_is_set_and_ended(gateway: GatewayProcess) -> None:
    answer = put(gateway, "EMERGENCY", ttl_seconds=600)
    said = answer.json()
    assert (answer.status_code, said["scope"], said["mode"], said["pending"]) == (200, "everyone", "EMERGENCY", [])
    assert (said["reason"], said["by"], said["policies"]) == ("a test", "root", ["ops"])
    assert said["expires_at"] > said["since"]
    put(gateway, "FROZEN", scope="policy:data")
    found = gateway.admin("/mode").json()
    assert found["mode"] == "EMERGENCY"
    assert [(item["scope"], item["mode"]) for item in found["items"]] == [
        ("everyone", "EMERGENCY"),
        ("policy:data", "FROZEN"),
    ]
    assert found["items"][1]["expires_at"] is None
    for scope in ("everyone", "policy:data"):
        assert put(gateway, None, scope=scope).json()["mode"] is None
    assert gateway.admin("/mode").json()["items"] == []


def test_a_mode_ends_by_itself(gateway: GatewayProcess) -> None:
    put(gateway, "EMERGENCY", scope="team:platform", ttl_seconds=0.3)
    assert gateway.admin("/mode").json()["items"][0]["scope"] == "team:platform"
    eventually(lambda: gateway.admin("/mode").json()["items"] == [])


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"mode": "EMERGNCY"}, "body.mode", "EMERGENCY, FROZEN, NORMAL, OPEN"),
        ({"mode": "EMERGENCY", "scope": "policy:data"}, "body.mode", "allowed: FROZEN, OPEN"),
        ({"mode": "EMERGENCY", "scope": "policy:none"}, "body.scope", "ops, data"),
        ({"mode": "EMERGENCY", "scope": "somebody"}, "body.scope", ""),
        ({"mode": "EMERGENCY", "scope": "team:"}, "body.scope", ""),
        ({"mode": "EMERGENCY", "ttl_seconds": 0}, "body.ttl_seconds", ""),
        ({"mode": "EMERGENCY", "reason": ""}, "body.reason", ""),
        ({"mode": "not a mode"}, "body.mode", ""),
        ({}, "body.mode", ""),
    ],
)
def test_what_would_do_nothing_is_refused(gateway: GatewayProcess, body: dict[str, Any], field: str, said: str) -> None:
    found = problem(gateway.ask("PUT", "/mode", json={"reason": "a test", **body}), 422)
    (error,) = found["errors"]
    assert error["field"] == field and said in error["message"]


def test_an_agent_nobody_has_seen_has_no_mode(gateway: GatewayProcess) -> None:
    problem(put(gateway, "EMERGENCY", scope="agent:agt_nobody"), 404)
    made = gateway.ask("POST", "/agents", json={"name": "one"}).json()["agent_id"]
    assert put(gateway, "EMERGENCY", scope=f"agent:{made}").status_code == 200
    assert put(gateway, None, scope=f"agent:{made}").status_code == 200


def test_setting_it_takes_an_operator_and_leaves_a_line(gateway: GatewayProcess) -> None:
    key = gateway.ask("POST", "/admin-keys", json={"name": "eyes", "role": "viewer"}).json()["api_key"]
    problem(gateway.ask("PUT", "/mode", key=key, json={"mode": "EMERGENCY", "reason": "x"}), 403)
    assert gateway.ask("GET", "/mode", key=key).status_code == 200
    put(gateway, "EMERGENCY", scope="environment:prod", ttl_seconds=60, reason="an incident")

    def lines() -> list[dict[str, Any]]:
        found = gateway.admin("/audit?action=set:mode&limit=100").json()["items"]
        return [line for line in found if line["reason"] == "an incident"]

    eventually(lines)
    (line,) = lines()
    assert (line["resource"], line["mode"], line["source"]) == ("environment:prod", "EMERGENCY", "admin:root")
    assert line["metadata"] == {"ttl_seconds": 60}
    put(gateway, None, scope="environment:prod")
