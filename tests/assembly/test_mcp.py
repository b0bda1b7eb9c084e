"""MCP servers as the process as a whole serves them: limits, reloads, callers without a proof, the end."""

import asyncio
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway import GatewayProcess, eventually, running_gateway, spawn_gateway
from tests.support.mcp_client import agent_with_key
from tests.support.mcp_path import ACCEPT, call, request, result
from tests.support.redis import RedisServer
from tests.support.upstream import SSE, Conversation, Request, ThreadedUpstream, event, json_answer, threaded

LIMITS = """
name: bounds
limits: {requests_per_minute: 4}
"""
CALLS = """
name: calls
budgets: {tool_calls_per_conversation: 2}
"""


@pytest.fixture
def upstream() -> Iterator[ThreadedUpstream]:
    with threaded(json_answer(result())) as found:
        yield found


def env(redis: RedisServer, tmp_path: Path, prefix: str, policy: str = "", **more: str) -> dict[str, str]:
    directory = tmp_path / "policies"
    directory.mkdir(exist_ok=True)
    if policy:
        (directory / "own.yaml").write_text(policy)
    return {
        "GATEWAY_REDIS_URL": redis.url,
        "GATEWAY_REDIS_PREFIX": f"{prefix}:",
        "GATEWAY_DATA_DIR": str(tmp_path / "data"),
        "GATEWAY_POLICY_DIR": str(directory),
        **more,
    }


def post(gateway: GatewayProcess, message: Any, key: str | None, to: str = "/mcp", **headers: str) -> httpx.Response:
    own = {} if key is None else {"authorization": f"Bearer {key}"}
    sent = {**ACCEPT, **own, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return httpx.post(gateway.url + to, json=message, headers=sent, timeout=20, trust_env=False)


def test_requests_to_servers_count_against_the_limits(
    shared_redis: RedisServer, upstream: ThreadedUpstream, tmp_path: Path
) -> None:
    given = env(shared_redis, tmp_path, "mcplimits", LIMITS, MCP_UPSTREAM_URL=f"{upstream.url}/mcp")
    with running_gateway(env=given) as gateway:
        key = agent_with_key(gateway, "bounded")[2]
        answers = [post(gateway, call("add", number), key) for number in range(5)]
    assert [one.status_code for one in answers] == [200, 200, 200, 200, 429]
    assert answers[4].json()["error"]["data"]["code"] == "rate_limit_exceeded" and answers[4].json()["id"] == 4
    assert [sent.json()["method"] for sent in upstream.requests].count("tools/call") == 4


def test_calls_to_tools_count_against_the_limits(
    shared_redis: RedisServer, upstream: ThreadedUpstream, tmp_path: Path
) -> None:
    given = env(shared_redis, tmp_path, "mcpcalls", CALLS, MCP_UPSTREAM_URL=f"{upstream.url}/mcp")
    with running_gateway(env=given) as gateway:
        key = agent_with_key(gateway, "bounded")[2]
        answers = [post(gateway, call("add", number), key, x_agent_session="s1") for number in range(3)]
        listed = post(gateway, request("tools/list"), key, x_agent_session="s1")
        other = post(gateway, call("add"), key, x_agent_session="s2")
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert (listed.status_code, other.status_code) == (200, 200)


def test_a_stream_that_stands_takes_no_place_of_a_call(shared_redis: RedisServer, tmp_path: Path) -> None:
    async def script(asked: Request, talk: Conversation) -> None:
        if asked.method == "POST":
            await talk.json(result())
            return
        await talk.start(200, SSE)
        await talk.chunk(b": open\n\n")
        await talk.hang()

    with threaded(script) as upstream:
        policy = "name: one\nlimits: {concurrent: 1}\nbudgets: {usd_per_day: 1}\n"
        given = env(shared_redis, tmp_path, "mcpstands", policy, MCP_UPSTREAM_URL=f"{upstream.url}/mcp")
        with running_gateway(env=given) as gateway:
            key = agent_with_key(gateway, "stands")[2]
            headers = {**ACCEPT, "authorization": f"Bearer {key}"}
            with httpx.stream("GET", f"{gateway.url}/mcp", headers=headers, timeout=20, trust_env=False) as standing:
                assert next(standing.iter_lines()) == ": open"
                assert post(gateway, call("add"), key).status_code == 200
                assert post(gateway, request("notifications/x", None), key).status_code == 200


def test_servers_are_read_again(shared_redis: RedisServer, upstream: ThreadedUpstream, tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(f"mcp_servers: {{one: '{upstream.url}/mcp'}}\n")
    with running_gateway("--config", str(config), env=env(shared_redis, tmp_path, "mcpagain")) as gateway:
        key = agent_with_key(gateway, "reader")[2]
        assert post(gateway, call("add"), key, "/mcp/one").status_code == 200
        assert post(gateway, call("add"), key, "/mcp/two").status_code == 404
        config.write_text(f"mcp_servers: {{two: '{upstream.url}/mcp'}}\n")
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: post(gateway, call("add"), key, "/mcp/two").status_code == 200)
        odd = post(gateway, call("add"), key, "/mcp/two;x")
        assert odd.status_code == 400 and odd.json()["error"]["data"]["code"] == "invalid_request"
        gone = post(gateway, call("add"), key, "/mcp/one")
        assert gone.status_code == 404 and "there are: two" in gone.json()["error"]["message"]


def test_callers_without_a_proof_are_let_in_where_the_operator_says_so(
    shared_redis: RedisServer, upstream: ThreadedUpstream, tmp_path: Path
) -> None:
    more = {"MCP_UPSTREAM_URL": f"{upstream.url}/mcp", "GATEWAY_MCP_ALLOW_UNVERIFIED": "true"}
    with running_gateway(env=env(shared_redis, tmp_path, "mcpopen", **more)) as gateway:
        answer = post(gateway, call("add"), "sk-somebody-0123456789")
        assert answer.status_code == 200 and answer.headers["x-gateway-agent-id"].startswith("agt_")
    assert upstream.requests[0].header("authorization") is None


def test_other_machines_are_not_let_in_without_a_proof(tmp_path: Path) -> None:
    gateway = spawn_gateway(env={"GATEWAY_MCP_ALLOW_UNVERIFIED": "true", "GATEWAY_HOST": "0.0.0.0"})
    assert gateway.stop(0) != 0
    assert "GATEWAY_MCP_ALLOW_UNVERIFIED" in gateway.output and "loopback" in gateway.output


def test_a_gateway_that_stops_lets_calls_end_and_ends_streams(shared_redis: RedisServer, tmp_path: Path) -> None:
    release = threading.Event()

    async def script(asked: Request, talk: Conversation) -> None:
        if asked.method == "POST" and asked.json()["method"] != "tools/call":
            await talk.json(result())
        elif asked.method == "POST" and not release.is_set():
            await talk.start(200, SSE)
            await talk.chunk(b": started\n\n")
            while not release.is_set():
                await asyncio.sleep(0.01)
            await talk.chunk(event(result(1, content=[])))
            await talk.end()
        else:
            await talk.start(200, SSE)
            await talk.chunk(b": open\n\n")
            await talk.hang()

    with threaded(script) as upstream:
        given = env(shared_redis, tmp_path, "mcpend", MCP_UPSTREAM_URL=f"{upstream.url}/mcp")
        with running_gateway(env=given) as gateway:
            key = agent_with_key(gateway, "ends")[2]
            headers = {**ACCEPT, "authorization": f"Bearer {key}"}
            http = httpx.Client(base_url=gateway.url, headers=headers, timeout=20, trust_env=False)
            with http, http.stream("GET", "/mcp") as standing, http.stream("POST", "/mcp", json=call("slow")) as asked:
                standing_lines, asked_lines = standing.iter_lines(), asked.iter_lines()
                assert next(standing_lines) == ": open" and next(asked_lines) == ": started"
                gateway.process.send_signal(signal.SIGTERM)
                assert "".join(standing_lines) == ""
                release.set()
                assert json.loads("".join(asked_lines).removeprefix("data: "))["result"] == {"content": []}
            assert gateway.stop(0) == 0


def test_without_state_no_tool_is_called(own_redis: RedisServer, upstream: ThreadedUpstream, tmp_path: Path) -> None:
    given = env(own_redis, tmp_path, "mcpaway", MCP_UPSTREAM_URL=f"{upstream.url}/mcp")
    with running_gateway("--workers", "2", env=given) as gateway:
        key = agent_with_key(gateway, "away")[2]
        assert {post(gateway, call("add"), key).status_code for _ in range(8)} == {200}
        own_redis.kill()
        answers: list[httpx.Response] = []

        def refused() -> bool:
            """By every worker: each notices by itself."""
            answers[:] = [post(gateway, call("add"), key) for _ in range(16)]
            return {one.status_code for one in answers} == {503}

        eventually(refused)
        assert {one.json()["error"]["data"]["code"] for one in answers} == {"state_unavailable"}
