"""`/approvals`, over a real gateway and Redis; what agents ask for is put into the same Redis beside it."""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from gateway.store.approvals import Approval, Approvals, Pending
from gateway.store.connection import Connection
from tests.edge.admin.conftest import problem
from tests.support.gateway import ADMIN_KEY, GatewayProcess, eventually, running_gateway
from tests.support.redis import RedisServer

PREFIX = "apv:"


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    with running_gateway(env={"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": PREFIX}) as one:
        yield one


class Asking:
    """Asks in an agent's place; each time another agent."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._agents = 0

    def __call__(self, count: int = 1, **members: Any) -> list[Approval]:
        async def ask() -> list[Approval]:
            connection = Connection(self._url, prefix=PREFIX, op_timeout=5)
            approvals = Approvals(connection, clock=time.time)
            try:
                return [await approvals.ask(self._next(**members)) for _ in range(count)]
            finally:
                await connection.close()

        return asyncio.run(ask())

    def _next(self, **members: Any) -> Pending:
        self._agents += 1
        given = {"arguments": {"service": "web"}, "rule": "ops/approval", "reason": "why", "args_hash": "h1", **members}
        return Pending("tool_call", f"agt_{self._agents}", "restart_service", **given)


@pytest.fixture(scope="module")
def asking(shared_redis: RedisServer) -> Asking:
    return Asking(shared_redis.url)


def keys_of(gateway: GatewayProcess, *roles: str) -> list[str]:
    return [gateway.ask("POST", "/admin-keys", json={"name": role, "role": role}).json()["api_key"] for role in roles]


def test_an_operator_sees_what_is_asked_and_decides(gateway: GatewayProcess, asking: Asking) -> None:
    (asked,) = asking(conversation="restart please", request_id="req_7")
    before = gateway.admin("/stats").json()["pending_approvals"]
    shown = gateway.admin(f"/approvals/{asked.approval_id}").json()
    assert (shown["approval_id"], shown["kind"], shown["status"]) == (asked.approval_id, "tool_call", "pending")
    assert (shown["agent_id"], shown["tool"], shown["arguments"]) == (
        asked.agent_id,
        "restart_service",
        {"service": "web"},
    )
    assert (shown["rule"], shown["reason"], shown["conversation"]) == ("ops/approval", "why", "restart please")
    assert shown["created_at"].endswith("Z") and shown["expires_at"] > shown["created_at"]
    assert (shown["decided_by"], shown["deviation"], shown["truncated"]) == (None, None, False)
    assert shown in gateway.admin("/approvals?status=pending&limit=1000").json()["items"]

    approved = gateway.ask("POST", f"/approvals/{asked.approval_id}/approve", json={"reason": "fine"})
    assert approved.status_code == 200
    assert (approved.json()["status"], approved.json()["decided_by"]) == ("approved", "root")
    assert approved.json()["decision_reason"] == "fine" and approved.json()["decided_at"].endswith("Z")
    assert shown["approval_id"] not in str(gateway.admin("/approvals?status=pending&limit=1000").json())
    assert gateway.admin("/stats").json()["pending_approvals"] == before - 1


def test_what_is_decided_stays_so(gateway: GatewayProcess, asking: Asking) -> None:
    (asked,) = asking()
    path = f"/approvals/{asked.approval_id}"
    rejected = gateway.ask("POST", f"{path}/reject")
    assert (rejected.status_code, rejected.json()["status"], rejected.json()["arguments"]) == (200, "rejected", None)
    for verb in ("approve", "reject"):
        assert "is rejected already by root" in problem(gateway.ask("POST", f"{path}/{verb}"), 409)["detail"]
    problem(gateway.ask("POST", "/approvals/apr_none/approve"), 404)
    problem(gateway.admin("/approvals/apr_none"), 404)


def test_of_two_operators_at_once_one_decides(gateway: GatewayProcess, asking: Asking) -> None:
    keys = keys_of(gateway, "operator", "operator")
    with ThreadPoolExecutor(2) as both:
        for asked in asking(10):
            path = f"/approvals/{asked.approval_id}"
            tries = [
                both.submit(gateway.ask, "POST", f"{path}/{verb}", key=key)
                for verb, key in zip(("approve", "reject"), keys, strict=True)
            ]
            answers = [one.result() for one in tries]
            assert sorted(answer.status_code for answer in answers) == [200, 409]
            won = next(answer.json() for answer in answers if answer.status_code == 200)
            lost = next(answer.json()["detail"] for answer in answers if answer.status_code == 409)
            found = gateway.admin(path).json()
            assert (found["status"], found["decided_by"]) == (won["status"], won["decided_by"])
            assert won["status"] in lost and won["decided_by"] in lost


def test_many_are_decided_by_their_ids(gateway: GatewayProcess, asking: Asking) -> None:
    ids = [asked.approval_id for asked in asking(4)]
    first = gateway.ask("POST", "/approvals/reject-all", json={"ids": ids[:1]}).json()["items"]
    assert first == [{"approval_id": ids[0], "status": "rejected", "changed": True, "decided_by": "root"}]
    found = gateway.ask("POST", "/approvals/approve-all", json={"ids": [*ids[:3], ids[1], "apr_none"]}).json()["items"]
    assert [(one["approval_id"], one["status"], one["changed"]) for one in found] == [
        (ids[0], "rejected", False),
        (ids[1], "approved", True),
        (ids[2], "approved", True),
        ("apr_none", None, False),
    ]
    assert gateway.admin(f"/approvals/{ids[3]}").json()["status"] == "pending"


def test_viewers_see_no_arguments_and_decide_nothing(gateway: GatewayProcess, asking: Asking) -> None:
    (key,) = keys_of(gateway, "viewer")
    (asked,) = asking()
    path = f"/approvals/{asked.approval_id}"
    assert gateway.ask("GET", path, key=key).json()["arguments"] is None
    for target in (f"{path}/approve", f"{path}/reject"):
        problem(gateway.ask("POST", target, key=key), 403)
    for verb in ("approve-all", "reject-all"):
        problem(gateway.ask("POST", f"/approvals/{verb}", key=key, json={"ids": [asked.approval_id]}), 403)
    assert gateway.admin(path).json()["status"] == "pending"


def test_each_decision_leaves_a_line_and_an_event(gateway: GatewayProcess, asking: Asking) -> None:
    (asked,) = asking(request_id="req_9", args_hash="h9")
    headers = {"x-admin-key": ADMIN_KEY, "last-event-id": "0-0"}
    gateway.ask("POST", "/approvals/approve-all", json={"ids": [asked.approval_id], "reason": "known cause"})

    def lines() -> list[dict[str, Any]]:
        found = gateway.admin("/audit?action=approve:approval&limit=1000").json()["items"]
        return [line for line in found if line["resource"] == asked.approval_id]

    eventually(lines)
    (line,) = lines()
    assert (line["source"], line["agent_id"], line["tool"]) == ("admin:root", asked.agent_id, "restart_service")
    assert (line["rule"], line["reason"], line["args_hash"]) == ("ops/approval", "known cause", "h9")
    assert (line["request_id"], line["result"], line["allowed"]) == ("req_9", "success", True)
    with httpx.stream("GET", f"{gateway.url}/api/gateway/events", headers=headers, timeout=20) as stream:
        told = next(one for one in stream.iter_lines() if one.startswith("data:") and asked.approval_id in one)
    event = json.loads(told.removeprefix("data:"))
    assert (event["kind"], event["data"]["tool"]) == ("approval.approved", "restart_service")
    assert "arguments" not in event["data"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/approve-all", {"ids": []}, "body.ids"),
        ("/approve-all", {"ids": ["x"] * 1001}, "body.ids"),
        ("/reject-all", {}, "body.ids"),
        ("/reject-all", {"ids": ["a"], "why": "x"}, "body.why"),
        ("/apr_1/approve", {"reason": ""}, "body.reason"),
    ],
)
def test_what_cannot_be_understood_is_refused(
    gateway: GatewayProcess, path: str, body: dict[str, Any], field: str
) -> None:
    found = problem(gateway.ask("POST", f"/approvals{path}", json=body), 422)
    assert field in [error["field"] for error in found["errors"]]


@pytest.mark.parametrize(("query", "field"), [("status=done", "query.status"), ("cursor=x", "query.cursor")])
def test_lists_that_there_are_not_are_refused(gateway: GatewayProcess, query: str, field: str) -> None:
    assert problem(gateway.admin(f"/approvals?{query}"), 422)["errors"][0]["field"] == field
