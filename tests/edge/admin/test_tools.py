"""`/tools`: what operators see of tools, and their word for what has changed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.edge.admin.conftest import problem
from tests.support.gateway import GatewayProcess, eventually, running_gateway
from tests.support.mcp_client import agent_with_key
from tests.support.mcp_path import ACCEPT, call
from tests.support.mcp_tools import Server, tool
from tests.support.redis import RedisServer
from tests.support.upstream import threaded


@pytest.fixture(scope="module")
def server() -> Server:
    return Server([tool("add"), tool("a/b c"), tool("pay"), tool("twice"), tool("twice", "Another.")])


@pytest.fixture(scope="module")
def env(
    shared_redis: RedisServer, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    with threaded(server) as upstream:
        yield {
            "GATEWAY_REDIS_URL": shared_redis.url,
            "GATEWAY_REDIS_PREFIX": "admtools:",
            "GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("data")),
            "GATEWAY_MCP_SERVERS": json.dumps({"files": upstream.url, "other": upstream.url}),
        }


@pytest.fixture(scope="module")
def changed(env: dict[str, str], server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that finds what another one has pinned to be changed."""
    with running_gateway(env=env) as before:
        use(before, "before", "files")
        use(before, "before-2", "other")
    server.tools[1:3] = [tool("a/b c", "Otherwise."), tool("pay", "<IMPORTANT>", title="Pay")]
    with running_gateway(env=env) as after:
        use(after, "after", "files")
        yield after


def use(gateway: GatewayProcess, name: str, to: str, called: str = "add") -> httpx.Response:
    key = agent_with_key(gateway, name)[2]
    headers = {**ACCEPT, "authorization": f"Bearer {key}"}
    return httpx.post(f"{gateway.url}/mcp/{to}", json=call(called), headers=headers, timeout=20, trust_env=False)


def items(gateway: GatewayProcess, query: str = "") -> dict[str, dict[str, Any]]:
    return {f"{one['server']}/{one['tool']}": one for one in gateway.admin(f"/tools{query}").json()["items"]}


def test_tools_are_shown_with_what_has_changed(changed: GatewayProcess) -> None:
    found = items(changed)
    assert {name: one["state"] for name, one in found.items() if one["server"] == "files"} == {
        "files/a/b c": "changed",
        "files/add": "pinned",
        "files/pay": "changed",
        "files/twice": "seen",
    }
    pay = found["files/pay"]
    assert pay["changes"] == [
        {"member": "title", "before": None, "after": "Pay"},
        {"member": "description", "before": "Does it.", "after": "<IMPORTANT>"},
    ]
    assert pay["findings"] == ["description: instructions"] and pay["changed_at"] and pay["pinned"] == tool("pay")
    assert "twice" in found["files/twice"]["problem"] and found["files/add"]["changes"] == []
    assert set(items(changed, "?state=changed")) == {"files/a/b c", "files/pay"}
    assert {one["server"] for one in items(changed, "?server=other").values()} == {"other"}


def test_pages_go_through_all_in_order(changed: GatewayProcess) -> None:
    seen, cursor = [], ""
    while True:
        page = changed.admin(f"/tools?limit=3{cursor}").json()
        seen += [(one["server"], one["tool"]) for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == sorted(seen) and len(seen) == len(items(changed)) == 8
    for wrong in ("nonsense", "%20", "W10", "WzEsMl0x"):
        problem(changed.admin(f"/tools?cursor={wrong}"), 422)


def test_an_operator_approves_what_was_looked_at(changed: GatewayProcess) -> None:
    assert use(changed, "blocked", "files", "a/b c").json()["result"]["isError"] is True
    shown = items(changed)["files/a/b c"]
    path = "/tools/files/a%2Fb%20c/approve"
    viewer = changed.ask("POST", "/admin-keys", json={"role": "viewer"}).json()["api_key"]
    problem(changed.ask("POST", path, key=viewer), 403)
    problem(changed.ask("POST", path, json={"definition": shown["pinned_definition"]}), 409)
    problem(changed.ask("POST", path, json={"definition": "short"}), 422)
    body = {"definition": shown["seen_definition"], "reason": "a new version"}
    approved = changed.ask("POST", path, json=body)
    assert approved.status_code == 200 and approved.json()["state"] == "pinned" and approved.json()["pending"] == []
    assert changed.ask("POST", path).status_code == 200
    assert "isError" not in use(changed, "free", "files", "a/b c").json()["result"]
    problem(changed.ask("POST", "/tools/files/nothing/approve"), 404)
    problem(changed.ask("POST", "/tools/nothing/add/approve"), 404)
    problem(changed.ask("POST", "/tools/files/twice/approve"), 409)

    def noted() -> list[dict[str, Any]]:
        found = changed.admin("/audit?limit=1000").json()["items"]
        return [one for one in found if one["action"] == "approve:tool" and one["resource"] == "files/a/b c"]

    eventually(lambda: bool(noted()))
    assert noted()[-1]["metadata"]["definition"] == shown["seen_definition"]
    asked = [one for one in changed.admin("/approvals").json()["items"] if one["kind"] == "tool_definition"]
    assert [(one["status"], one["tool"]) for one in asked] == [("approved", "files/a/b c")]


def test_the_command_line_lists_and_approves(
    changed: GatewayProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.commands.conftest import ADMIN_KEY, read, run

    monkeypatch.setenv("GATEWAY_URL", changed.url)
    monkeypatch.setenv("GATEWAY_ADMIN_KEY", ADMIN_KEY)
    (pay,) = [one for one in read(run("tools", "list", "--state", "changed", "-o", "json")) if one["tool"] == "pay"]
    assert "pay" in run("tools", "list", "--server", "files").stdout
    assert "409" in run("tools", "approve", "files", "pay", "--definition", pay["pinned_definition"], code=1).stderr
    made = read(
        run("tools", "approve", "files", "pay", "--definition", pay["seen_definition"], "-r", "ok", "-o", "json")
    )
    assert made[0]["state"] == "pinned"
