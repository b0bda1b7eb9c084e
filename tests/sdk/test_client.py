"""The clients for threads and for coroutines: one machine beneath, so each test runs with both."""

import asyncio
import inspect
import socket
import subprocess
import sys
import threading
from typing import Any

import httpx
import pytest

from gateway.sdk import AsyncGatewayClient, Decision, GatewayClient, GatewayUnavailable
from tests.support.upstream import answer, json_answer, threaded

SAID = {"allowed": False, "reason": "No.", "rule": "ops/deny/0", "decision_id": "dec_c_1", "mode": "NORMAL"}
LOGGED = json_answer({"entry": "c/1", "time": "2026-11-20T18:44:34.875Z"}, 201)
PAGE = json_answer({"items": [], "next_cursor": None})


def used(kind: type, url: str, method: str, *args: Any, **kwargs: Any) -> Any:
    """The result of one call."""
    keys = {"api_key": "agk_1", "admin_key": "adk_1"} | kwargs.pop("keys", {})
    client = kind(url, **keys)
    if kind is GatewayClient:
        with client:
            return getattr(client, method)(*args, **kwargs)

    async def use() -> Any:
        async with client:
            return await getattr(client, method)(*args, **kwargs)

    return asyncio.run(use())


both = pytest.mark.parametrize("kind", [GatewayClient, AsyncGatewayClient])


@both
def test_a_decision_is_asked_for_with_the_agents_key(kind: type) -> None:
    with threaded(json_answer(SAID)) as upstream:
        asked = {"tool": "restart_service", "arguments": {"service": "web"}, "context": {"ticket": "OPS-7"}}
        decision = used(kind, upstream.url, "enforce", "restart:service", "web", **asked, session="talk-7")
        assert decision == Decision("restart_service", False, "No.", "ops/deny/0", "dec_c_1", "NORMAL")
        request = upstream.requests[0]
        assert (request.method, request.target) == ("POST", b"/api/v1/enforce")
        assert request.json() == {"action": "restart:service", "resource": "web", **asked}
        assert request.header("authorization") == "Bearer agk_1"
        assert request.header("x-agent-session") == "talk-7"
        assert request.header("x-admin-key") is None


@both
def test_an_agent_is_made_by_the_admin_or_registered_with_the_ingest_key(kind: type) -> None:
    made, key = json_answer({"agent_id": "agt_1"}, 201), json_answer({"key_id": "k", "api_key": "agk_2"}, 201)
    with threaded([made, key]) as upstream:
        created = used(kind, upstream.url, "create_agent", "bot", owner_team="ops")
        assert (created.agent_id, created.api_key) == ("agt_1", "agk_2")
        assert [request.target for request in upstream.requests] == [
            b"/api/gateway/agents",
            b"/api/gateway/agents/agt_1/keys",
        ]
        assert upstream.requests[0].json() == {"name": "bot", "owner_team": "ops"}
        assert [request.header("x-admin-key") for request in upstream.requests] == ["adk_1"] * 2
        assert all(request.header("authorization") is None for request in upstream.requests)
    with threaded(json_answer({"agent_id": "agt_1", "api_key": "agk_2"}, 201)) as upstream:
        keys = {"admin_key": None, "api_key": "igk_1"}
        created = used(kind, upstream.url, "create_agent", "bot", environment="prod", keys=keys)
        assert created.api_key == "agk_2"
        assert upstream.requests[0].target == b"/api/v1/agents/register"
        assert upstream.requests[0].header("authorization") == "Bearer igk_1"


@both
def test_a_policy_is_set_as_lists(kind: type) -> None:
    with threaded(json_answer({"version": 1})) as upstream:
        rules: Any = {"allow": ["read:*", {"action": "write:file", "resource": "s3://docs/*"}], "deny": ["drop:*"]}
        assert used(kind, upstream.url, "set_policy", "agt_1", **rules) == {"version": 1}
        request = upstream.requests[0]
        assert (request.method, request.target) == ("PUT", b"/api/gateway/agents/agt_1/policy")
        assert request.json() == rules


@both
def test_what_was_done_is_reported_and_read(kind: type) -> None:
    with threaded([LOGGED, PAGE, PAGE]) as upstream:
        assert used(kind, upstream.url, "log_action", "read:file", "a.txt", metadata={"n": 1}) == "c/1"
        assert used(kind, upstream.url, "logs", allowed=True) == []
        assert used(kind, upstream.url, "logs", "agt_2") == []
        report, own, audit = upstream.requests
        assert report.json()["metadata"] == {"n": 1} and report.json()["result"] == "success"
        assert own.target == b"/api/v1/logs?allowed=true&limit=100" and own.header("x-admin-key") is None
        assert audit.target.startswith(b"/api/gateway/audit?agent_id=agt_2") and audit.header("x-admin-key") == "adk_1"


@both
def test_a_question_is_asked_again_while_the_gateway_passes_by(kind: type) -> None:
    with threaded([answer(503, b"", [("retry-after", "0")]), PAGE]) as upstream:
        assert used(kind, upstream.url, "logs") == []
        assert len(upstream.requests) == 2


@both
def test_nobody_there_is_no_permission(kind: type) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(GatewayUnavailable, match="does not answer"):
            used(kind, url, "enforce", "read:file", keys={"retries": 1})


@both
def test_a_gateway_that_hangs_is_left_in_time(kind: type) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(GatewayUnavailable, match="ReadTimeout"):
            used(kind, url, "enforce", "read:file", keys={"timeout": 0.05})


@both
def test_a_redirect_does_not_get_the_key(kind: type) -> None:
    with threaded(PAGE) as other, threaded(answer(307, b"", [("location", other.url)])) as upstream:
        with pytest.raises(GatewayUnavailable, match="307"):
            used(kind, upstream.url, "logs")
        assert other.requests == []


@both
def test_a_key_that_is_not_there_is_named(kind: type) -> None:
    with pytest.raises(ValueError, match="needs admin_key"):
        used(kind, "http://127.0.0.1:1", "set_policy", "agt_1", keys={"admin_key": None})
    with pytest.raises(ValueError, match="needs api_key"):
        used(kind, "http://127.0.0.1:1", "enforce", "read:file", keys={"api_key": None})


@both
def test_where_the_gateway_is(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY_URL", raising=False)
    assert kind().base_url == "http://127.0.0.1:4000"
    monkeypatch.setenv("GATEWAY_URL", "https://gateway.example/")
    assert kind().base_url == "https://gateway.example"
    assert kind("http://localhost:4000/v1/").base_url == "http://localhost:4000"
    for wrong in ("localhost:4000", "ftp://host", "http://"):
        with pytest.raises(ValueError, match="allowed: http://HOST"):
            kind(wrong)


@both
def test_it_shows_no_key(kind: type) -> None:
    assert "agk_" not in repr(kind(api_key="agk_secret", admin_key="adk_secret"))


def test_own_connections_and_those_given() -> None:
    with threaded(PAGE) as upstream, httpx.Client() as given:
        with GatewayClient(upstream.url, api_key="agk_1", http_client=given) as client:
            client.logs()
        assert not given.is_closed, "it belongs to who gave it"
        own = GatewayClient(upstream.url, api_key="agk_1")
        own.logs()
        own.close()
        own.logs()
        own.close()


def test_one_client_serves_many_threads() -> None:
    with threaded(json_answer(SAID)) as upstream, GatewayClient(upstream.url, api_key="agk_1") as client:
        decisions: list[Decision] = []
        threads = [
            threading.Thread(target=lambda: decisions.extend(client.enforce("a:b") for _ in range(10)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(decisions) == 80 and not any(decisions)


def test_both_clients_have_the_same_calls() -> None:
    def calls(kind: type) -> dict[str, Any]:
        return {
            name: inspect.signature(member)
            for name, member in vars(kind).items()
            if not name.startswith("_") and name != "close"
        }

    assert calls(GatewayClient) == calls(AsyncGatewayClient)
    assert all(inspect.iscoroutinefunction(getattr(AsyncGatewayClient, name)) for name in calls(GatewayClient))


def test_importing_it_is_light() -> None:
    script = """
import sys
import gateway.sdk
gateway.sdk.GatewayClient("http://127.0.0.1:1", api_key="agk_1")
heavy = {"httpx", "starlette", "fastapi", "redis", "pydantic", "yaml", "asyncio", "orjson", "opentelemetry"}
print(sorted(heavy & set(sys.modules)), sorted(m for m in sys.modules if m.startswith("gateway.")))
try:
    gateway.sdk.GatewayClient("http://127.0.0.1:1", api_key="agk_1", retries=0).logs()
except gateway.sdk.GatewayUnavailable:
    print("httpx" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    first, second = ran.stdout.splitlines()
    names = ("calls", "client", "client_async", "client_base", "errors", "intents")
    names += ("reported", "reporter", "reporter_answers", "reporter_exchange", "shapes")
    own = ["gateway.sdk", *(f"gateway.sdk.{name}" for name in names)]
    assert first == f"[] {own}"
    assert second == "True"
