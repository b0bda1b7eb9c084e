"""The description of the admin API, and that every route keeps to it: each method and path for each role."""

import re
from typing import Any

import httpx
import pytest

from gateway.edge.admin.changes import QUESTIONS
from tests.support.gateway import GatewayProcess

RANKS = ("viewer", "operator", "admin")
ENDLESS = {("GET", "/events")}  # these answer for ever: another test reads them

OWN_SESSIONS = {"/session", "/sessions"}
"""Whoever may look may sign in to look, and sign out."""


@pytest.fixture(scope="module")
def described(gateway: GatewayProcess) -> dict[str, Any]:
    document: dict[str, Any] = gateway.ask("GET", "/openapi.json").json()
    return document


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path.removeprefix("/api/gateway"), operation)
        for path, item in described["paths"].items()
        for method, operation in item.items()
    ]


def role_of(operation: dict[str, Any]) -> str:
    found = re.search(r"Role: (\w+)\.", operation["description"])
    assert found
    return found[1]


def test_whatever_changes_something_takes_more_than_a_viewer(described: dict[str, Any]) -> None:
    open_to_viewers = [
        (method, path)
        for method, path, operation in operations(described)
        if method != "GET" and path not in {*QUESTIONS, *OWN_SESSIONS} and role_of(operation) == "viewer"
    ]
    assert open_to_viewers == []


def test_every_operation_says_what_it_answers(described: dict[str, Any]) -> None:
    vague = []
    for method, path, operation in operations(described):
        for status, response in operation["responses"].items():
            media = list(response.get("content", {}).values())
            if status != "204" and (not media or media[0].get("schema", {}) in ({}, {"type": "object"})):
                vague.append((method, path, status))
    assert vague == []


def test_every_method_and_path_gives_each_role_what_it_may(gateway: GatewayProcess, described: dict[str, Any]) -> None:
    keys = {role: gateway.ask("POST", "/admin-keys", json={"role": role}).json()["api_key"] for role in RANKS}
    wrong = []
    with httpx.Client(base_url=f"{gateway.url}/api/gateway", timeout=20) as client:
        for method, path, operation in operations(described):
            if (method, path) in ENDLESS:
                continue
            # No id of anything that is there, no body: who may ask learns that, who may not learns only that.
            filled = re.sub(r"\{\w+\}", "agt_nobody", path)
            client.cookies.clear()  # of a session that was begun
            statuses = {"": client.request(method, filled).status_code}
            for role, key in keys.items():
                statuses[role] = client.request(method, filled, headers={"x-admin-key": key}).status_code
            needed = RANKS.index(role_of(operation))
            passes = [statuses[role] != 403 for role in RANKS]
            if statuses[""] != 401 or passes != [rank >= needed for rank in range(3)] or max(statuses.values()) >= 500:
                wrong.append((method, path, role_of(operation), statuses))
    assert wrong == []
