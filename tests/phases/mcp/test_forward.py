"""What a server is sent: what the caller sent, but for what concerns the caller and the gateway only."""

import asyncio
from typing import Any

import httpx

from gateway.phases.mcp.forward import Own
from gateway.phases.timeouts import Timeouts
from tests.support.mcp_path import NEW, SERVER_KEY, call, mcp_path, request, result
from tests.support.path import OWN_KEY
from tests.support.upstream import ScriptedUpstream, json_answer

ANSWERED = json_answer(result())


def run(steps: Any, *documents: Any, script: Any = ANSWERED, **options: Any) -> None:
    async def all_of_it() -> None:
        async with ScriptedUpstream(script) as upstream, mcp_path(upstream.url, *documents, **options) as world:
            await steps(world, upstream)

    asyncio.run(all_of_it())


def test_the_server_sees_its_own_credential_and_none_of_the_callers() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        await world.post(
            call("add"), cookie="a=b", origin=world.url, referer="x", x_api_key="agk_one", x_custom="kept",
            x_agent_session="s", x_gateway_execution="execute_safe",
        )  # fmt: skip
        sent = upstream.requests[0]
        assert sent.header("authorization") == f"Bearer {SERVER_KEY}"
        assert sent.header("x-custom") == "kept"
        assert sent.header("accept") == "application/json, text/event-stream"
        assert sent.header("accept-encoding") == "identity"
        for name in ("cookie", "origin", "referer", "x-api-key", "x-agent-key", "x-agent-session"):
            assert sent.header(name) is None
        assert b"agk_" not in sent.head and sent.target == b"/endpoint"

    run(steps)


def test_a_server_without_a_key_gets_none() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        await world.post(call("add"))
        assert upstream.requests[0].header("authorization") is None

    run(steps, api_key=None)


def test_the_query_of_a_caller_goes_nowhere() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        await world.post(call("add"), to="/mcp/files?admin=1")
        assert upstream.requests[0].target == b"/endpoint"

    run(steps)


def test_keys_of_the_gateway_leave_in_no_header() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.post(call("add"), x_custom=f"Bearer {OWN_KEY.decode()}")
        assert answer.status_code == 401 and upstream.requests == []

    run(steps)


def test_get_and_delete_carry_the_session_and_no_body() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        sealed = world.sessions.seal("files", "one", b"s1").decode()
        for method in ("GET", "DELETE"):
            answer = await world.client.request(
                method, "/mcp/files", headers=world.headers(mcp_session_id=sealed, mcp_protocol_version="2025-06-18")
            )
            assert answer.status_code == 200
        assert [one.method for one in upstream.requests] == ["GET", "DELETE"]
        assert {one.header("mcp-session-id") for one in upstream.requests} == {"s1"}
        assert {one.body for one in upstream.requests} == {b""}
        kinds = [(entry.kind, entry.action, entry.resource) for entry in world.entries.all]
        assert ("decision", "relay:mcp", "files/get") in kinds

    run(steps)


def test_a_server_that_is_away_is_said_to_be() -> None:
    async def steps() -> None:
        async with mcp_path("http://127.0.0.1:1", timeouts=Timeouts(connect=1)) as world:
            answer = await world.post(call("add"))
            assert answer.status_code == 502 and answer.json()["id"] == 1
            assert answer.json()["error"]["data"]["code"] == "upstream_unavailable"
            assert "MCP server `files` cannot be reached" in answer.json()["error"]["message"]

    asyncio.run(steps())


def test_a_server_that_says_nothing_is_given_up_in_the_end() -> None:
    async def hang(request: Any, talk: Any) -> None:
        await talk.hang()

    async def steps(world: Any, upstream: Any) -> None:
        answer = await world.post(call("add"))
        assert answer.status_code == 504 and answer.json()["error"]["data"]["code"] == "upstream_timeout"

    run(steps, script=hang, timeouts=Timeouts(total=0.2, first_byte=0.05))


def test_who_leaves_cancels_the_call_at_the_server() -> None:
    async def hang(request: Any, talk: Any) -> None:
        await talk.hang()

    async def steps(world: Any, upstream: Any) -> None:
        async with httpx.AsyncClient(base_url=world.url, trust_env=False) as client:
            asking = asyncio.create_task(client.post("/mcp/files", json=call("slow"), headers=world.headers()))
            await upstream.arrived()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        await upstream.client_gone()
        assert (await world.settled()).vitals.error_type == "client_gone"

    run(steps, script=hang)


def test_what_the_gateway_says_to_the_server_is_added_to_the_message() -> None:
    def gate(exchange: Any) -> None:
        exchange.mcp.added[1] = {"io.leuko/call": "token"}

    async def steps(world: Any, upstream: Any) -> None:
        await world.post(request("tools/call", name="add", _meta={"io.leuko/call": "forged", "progressToken": 5}))
        meta = upstream.requests[0].json()["params"]["_meta"]
        assert meta == {"io.leuko/call": "token", "progressToken": 5}
        await world.post(request("notifications/x", None))
        assert "_meta" not in upstream.requests[1].json()["params"]

    run(steps, gates=(gate,))


def test_an_answer_of_the_gateway_itself_is_read_like_any_other() -> None:
    async def read() -> tuple[bytes, bytes]:
        own = Own({"a": 1})
        own.hand_to(lambda chunk: True)
        own.close()
        return await own.chunk(), await own.chunk()

    assert asyncio.run(read()) == (b'{"a":1}', b"")


def test_the_version_travels() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        await world.post(
            request("server/discover", _meta={"io.modelcontextprotocol/protocolVersion": NEW}),
            mcp_protocol_version=NEW, mcp_method="server/discover",
        )  # fmt: skip
        assert upstream.requests[0].header("mcp-protocol-version") == NEW

    run(steps)
