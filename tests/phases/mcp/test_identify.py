"""Who may use which server, as the head of a request says."""

import asyncio
from typing import Any

import pytest

from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from tests.support.mcp_path import NEW, mcp_path, request, result
from tests.support.upstream import ScriptedUpstream, json_answer

PING = request("ping")


def run(steps: Any, **options: Any) -> None:
    async def all_of_it() -> None:
        async with ScriptedUpstream(json_answer(result())) as upstream, mcp_path(upstream.url, **options) as world:
            await steps(world, upstream)

    asyncio.run(all_of_it())


@pytest.mark.parametrize("key", [None, "sk-0123456789abcdef", "agk_nobody"])
def test_who_proves_nothing_is_refused_in_json_rpc(key: str | None) -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.post(PING, key=key)
        assert answer.status_code == 401
        assert answer.json()["error"]["data"]["code"] == "invalid_api_key"
        assert answer.json()["jsonrpc"] == "2.0" and answer.json()["id"] is None
        assert upstream.requests == []

    run(steps)


def test_on_loopback_callers_without_a_proof_may_be_let_in() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        assert (await world.post(PING, key=None)).status_code == 200
        missing = await world.post(PING, key=None, to="/mcp/other")
        assert missing.status_code == 404 and "files" not in missing.text

    run(steps, unverified=True)


def test_a_server_that_is_not_there_is_named_with_those_that_are() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        for path in ("/mcp/other", "/mcp/files/more", "/mcp/Files"):
            answer = await world.post(PING, to=path)
            assert answer.status_code == 404
            assert "files, default" in answer.json()["error"]["message"]
            assert answer.json()["error"]["code"] == -32601

    run(steps)


def test_where_there_is_none_that_is_said() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        world.identify.servers = type(world.identify.servers)()
        assert "none is configured" in (await world.post(PING)).json()["error"]["message"]

    run(steps)


def test_the_default_server_is_at_the_root() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        assert (await world.post(PING, to="/mcp")).status_code == 200
        assert (await world.post(PING, to="/mcp/")).status_code == 200
        assert (await world.post(PING, to="/mcp/default")).status_code == 200
        assert {one.target for one in upstream.requests} == {b"/other/"}

    run(steps)


def test_other_methods_have_no_meaning() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.client.put("/mcp/files", headers=world.headers())
        assert answer.status_code == 405 and answer.headers["allow"] == "GET, POST, DELETE"

    run(steps)


def test_a_path_with_two_meanings_is_refused() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.client.post("/mcp/files;x", headers=world.headers())
        assert answer.status_code == 400

    run(steps)


def test_a_session_of_another_agent_is_none() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        sealed = world.sessions.seal("files", "one", b"s1").decode()
        assert (await world.post(PING, mcp_session_id=sealed)).status_code == 200
        assert upstream.requests[0].header("mcp-session-id") == "s1"
        for key, to in (("agk_two", "/mcp/files"), ("agk_one", "/mcp/default")):
            answer = await world.post(PING, key=key, to=to, mcp_session_id=sealed)
            assert answer.status_code == 404 and answer.json()["error"]["code"] == -32600
        assert (await world.post(PING, mcp_session_id="s1")).status_code == 404
        assert len(upstream.requests) == 1

    run(steps)


def test_a_version_nobody_knows_is_refused() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.post(PING, mcp_protocol_version="2099-01-01")
        assert answer.status_code == 400 and answer.json()["error"]["code"] == -32022
        assert answer.json()["id"] == 1
        assert answer.json()["error"]["data"]["supported"] == [NEW]

    run(steps)


def test_gates_are_asked_before_the_body_is_read() -> None:
    seen: list[str] = []

    async def later(exchange: Exchange) -> None:
        seen.append(exchange.mcp.server.name)
        raise Refusal("intent_invalid", "No.")

    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.post(b"no json")
        assert answer.status_code == 403 and answer.json()["error"]["data"]["code"] == "intent_invalid"
        assert seen == ["files"]

    run(steps, head_gates=(later,))


def test_no_upgrade_is_offered() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.client.get("/mcp/files", headers=world.headers(upgrade="websocket", connection="upgrade"))
        assert answer.status_code == 426 and answer.json()["error"]["data"]["code"] == "upgrade_unsupported"

    run(steps)
