"""`/policies`, over a real gateway and Redis."""

from pathlib import Path
from typing import Any

import pytest

from tests.edge.admin.conftest import problem, send
from tests.support.gateway import GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

YAML = """# what the operators may do
name: yaml-made
match: {agents: ["sre-*"]}
deny: ["delete *"]
cases:
  - {call: {tool: delete_disk}, expect: deny}
"""


def document(name: str, *deny: str) -> dict[str, Any]:
    return {"name": name, "match": {"agents": ["nobody"]}, "deny": list(deny)}


def test_a_document_is_made_shown_changed_and_deleted_by_its_tag(gateway: GatewayProcess) -> None:
    made = send(gateway, "PUT", "/policies/life", document("life", "delete *"), if_none_match="*")
    assert made.status_code == 201
    shown = made.json()
    assert (shown["name"], shown["version"], shown["source"], shown["in_force"]) == ("life", 1, "api", True)
    assert (shown["document"], shown["text"], shown["updated_by"]) == (document("life", "delete *"), None, "root")
    tag = made.headers["etag"]
    got = send(gateway, "GET", "/policies/life")
    assert got.json() == shown and got.headers["etag"] == tag == shown["etag"]
    problem(send(gateway, "PUT", "/policies/life", document("life"), if_none_match="*"), 412)
    assert tag in problem(send(gateway, "PUT", "/policies/life", document("life")), 428)["detail"]
    problem(send(gateway, "DELETE", "/policies/life"), 428)
    changed = send(gateway, "PUT", "/policies/life", document("life", "drop *"), if_match=tag)
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    for method in ("PUT", "DELETE"):
        problem(send(gateway, method, "/policies/life", document("life"), if_match=tag), 412)
    assert send(gateway, "DELETE", "/policies/life", if_match=changed.headers["etag"]).status_code == 204
    assert send(gateway, "DELETE", "/policies/life").status_code == 204
    problem(send(gateway, "GET", "/policies/life"), 404)
    problem(send(gateway, "PUT", "/policies/life", document("life"), if_match=tag), 412)


def test_versions_are_listed_shown_and_put_in_force_again(gateway: GatewayProcess) -> None:
    tag = None
    for verb in ("a", "b", "c"):
        headers = {} if tag is None else {"if_match": tag}
        tag = send(gateway, "PUT", "/policies/many", document("many", verb), **headers).headers["etag"]
    items = send(gateway, "GET", "/policies/many/versions").json()["items"]
    assert [(one["version"], one["updated_by"], one["deleted"]) for one in items] == [
        (3, "root", False),
        (2, "root", False),
        (1, "root", False),
    ]
    assert send(gateway, "GET", "/policies/many?version=1").json()["document"]["deny"] == ["a"]
    problem(send(gateway, "GET", "/policies/many?version=9"), 404)
    problem(send(gateway, "GET", "/policies/none/versions"), 404)
    problem(send(gateway, "POST", "/policies/many/rollback", {"version": 1}), 428)
    problem(send(gateway, "POST", "/policies/many/rollback", {"version": 9}, if_match="*"), 404)
    back = send(gateway, "POST", "/policies/many/rollback", {"version": 1}, if_match=tag or "")
    assert (back.json()["version"], back.json()["document"]["deny"]) == (4, ["a"])
    send(gateway, "DELETE", "/policies/many", if_match="*")
    problem(send(gateway, "POST", "/policies/many/rollback", {"version": 5}), 422)
    again = send(gateway, "POST", "/policies/many/rollback", {"version": 2})
    assert (again.json()["version"], again.json()["document"]["deny"]) == (6, ["b"])


def test_yaml_is_kept_as_it_was_written(gateway: GatewayProcess) -> None:
    made = send(gateway, "PUT", "/policies/yaml-made", YAML)
    assert (made.status_code, made.json()["text"]) == (201, YAML)
    assert made.json()["document"]["match"] == {"agents": ["sre-*"]}


@pytest.mark.parametrize(
    ("content", "field", "says"),
    [
        ({"name": "bad", "alow": []}, "body.alow", "did you mean allow?"),
        ({"name": "other"}, "body.name", "as the path says"),
        ({"name": "bad", "limits": {"requests_per_minute": -1}}, "body.limits.requests_per_minute", "whole number"),
        ({"name": "bad", "cases": [{"call": {"tool": "x"}, "expect": "deny"}]}, "body.cases[0]", "does not hold"),
        ("name: bad\nname: bad", "body", "twice"),
        ("- a", "body", "a mapping"),
        ("name: bad\nallow: 2026-01-01", "body.allow", "a list"),
        ([1], "body", "a mapping"),
    ],
)
def test_what_is_wrong_with_a_document_is_said_by_its_place_and_changes_nothing(
    gateway: GatewayProcess, content: object, field: str, says: str
) -> None:
    found = problem(send(gateway, "PUT", "/policies/bad", content), 422)
    assert found["errors"][0]["field"] == field and says in found["errors"][0]["message"]
    problem(send(gateway, "GET", "/policies/bad"), 404)


def test_a_document_that_is_too_large_is_refused(gateway: GatewayProcess) -> None:
    large = {"name": "large", "deny": [{"action": "a", "resource": "x" * 900}] * 200}
    problem(send(gateway, "PUT", "/policies/large", large), 413)


def test_whoever_may_only_look_changes_nothing_and_changes_are_recorded(gateway: GatewayProcess) -> None:
    keys = {role: gateway.ask("POST", "/admin-keys", json={"role": role}).json() for role in ("viewer", "operator")}
    for made in keys.values():
        key = made["api_key"]
        problem(send(gateway, "PUT", "/policies/mine", document("mine"), key=key), 403)
        problem(send(gateway, "DELETE", "/policies/mine", key=key), 403)
        problem(send(gateway, "POST", "/policies/mine/rollback", {"version": 1}, key=key), 403)
        assert send(gateway, "GET", "/policies", key=key).status_code == 200
    assert send(gateway, "PUT", "/policies/mine", document("mine")).status_code == 201

    def recorded() -> bool:
        items = gateway.admin("/audit?action=replace:policy&limit=100").json()["items"]
        return any(one["resource"] == "/policies/mine" and one["result"] == "success" for one in items)

    eventually(recorded)


def test_a_document_of_a_file_gives_way_to_one_of_its_name_and_comes_back(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "own.yaml").write_text("name: own\ndeny: ['delete *']\n")
    env = {"GATEWAY_REDIS_URL": own_redis.url, "GATEWAY_POLICY_DIR": str(tmp_path)}
    env["GATEWAY_POLICIES"] = '[{"name": "env", "default": "allow", "modes": {"SLOW": {}, "FAST": {}}}]'
    with running_gateway("--workers", "2", env=env) as gateway:
        items = {one["name"]: one for one in send(gateway, "GET", "/policies").json()["items"]}
        assert [(one["source"], one["where"]) for one in items.values()] == [
            ("settings", "GATEWAY_POLICIES[0]"),
            ("files", "own.yaml"),
        ]
        modes = send(gateway, "GET", "/policies/env").json()["document"]["modes"]
        assert list(modes) == ["SLOW", "FAST"]  # the first is the start mode
        shown = send(gateway, "GET", "/policies/own")
        assert shown.json()["document"] == {"name": "own", "deny": ["delete *"]}
        problem(send(gateway, "DELETE", "/policies/own", if_match="*"), 409)
        problem(send(gateway, "PUT", "/policies/own", document("own")), 428)
        made = send(gateway, "PUT", "/policies/own", {"name": "own"}, if_match=shown.headers["etag"])
        assert (made.status_code, made.json()["source"]) == (200, "api")

        def says(allowed: bool) -> bool:
            asked = [send(gateway, "POST", "/policies/explain", {"tool": "delete_disk"}) for _ in range(8)]
            return {one.json()["allowed"] for one in asked} == {allowed}  # new connections: both workers

        assert says(True)
    with running_gateway(env=env) as gateway:
        assert send(gateway, "GET", "/policies/own").json()["source"] == "api"
        assert send(gateway, "DELETE", "/policies/own", if_match="*").status_code == 204
        assert send(gateway, "GET", "/policies/own").json()["source"] == "files"
        assert not send(gateway, "POST", "/policies/explain", {"tool": "delete_disk"}).json()["allowed"]
