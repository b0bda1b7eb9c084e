"""The gateway's own look at a server's tools: every page, both eras, its own credential, and bounds."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.phases.mcp import listing
from gateway.phases.mcp.listing import Listing, NotListed
from gateway.upstream.client import Client
from gateway.upstream.mcp_servers import MCPServer
from tests.support.upstream import SSE, Conversation, Request, ScriptedUpstream, event

Answer = Callable[[dict[str, Any]], Any]


def script(answer: Answer, *, streamed: bool = False, session: str | None = "s-1") -> Any:
    """A server that answers each message with `answer(message)`: a result, an int for a status, None for 202."""

    async def serve(asked: Request, talk: Conversation) -> None:
        if asked.method == "DELETE":
            await talk.json({}, status=200)
            return
        message = asked.json()
        said = answer({**message, "headers": {n.decode(): v.decode() for n, v in asked.headers}})
        if said is None or isinstance(said, int):
            await talk.json({"jsonrpc": "2.0", "id": None, "error": {"code": -1, "message": "no"}}, status=said or 202)
            return
        document = {"jsonrpc": "2.0", "id": message["id"], "result": said}
        headers = [] if session is None else [("mcp-session-id", session)]
        if streamed:
            await talk.start(200, [*SSE, *headers])
            await talk.chunk(b": hello\n\n" + event({"jsonrpc": "2.0", "method": "notifications/message"}))
            await talk.chunk(event(document))
            await talk.hang()
        else:
            await talk.json(document, headers=headers)

    return serve


def stateless(message: dict[str, Any]) -> Any:
    cursor = message["params"].get("cursor", "0")
    more = {"nextCursor": "1"} if cursor == "0" else {}
    return {"resultType": "complete", "tools": [{"name": f"t{cursor}"}], **more}


def handshake(message: dict[str, Any]) -> Any:
    if "_meta" in message.get("params", {}):
        return 400
    if message["method"] == "initialize":
        return {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "x", "version": "1"}}
    return None if message["method"].startswith("notifications/") else stateless(message)


async def tools(served: Any, requests: list[Request] | None = None) -> list[Any]:
    client = Client()
    try:
        async with ScriptedUpstream(served) as upstream:
            try:
                return await Listing(client).tools(MCPServer("files", f"{upstream.url}/mcp", "own-key-0123456789"))
            finally:
                if requests is not None:
                    requests += upstream.requests
    finally:
        await client.close()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_a_stateless_server_is_asked_for_every_page(streamed: bool) -> None:
    requests: list[Request] = []
    assert await tools(script(stateless, streamed=streamed), requests) == [{"name": "t0"}, {"name": "t1"}]
    assert [one.json()["params"].get("cursor") for one in requests] == [None, "1"]
    for one in requests:
        assert one.header("mcp-method") == "tools/list" and one.header("mcp-protocol-version") == "2026-07-28"
        assert one.header("authorization") == "Bearer own-key-0123456789" and one.header("mcp-session-id") is None


async def test_a_server_of_the_handshake_era_is_asked_in_a_session_that_ends() -> None:
    requests: list[Request] = []
    assert await tools(script(handshake), requests) == [{"name": "t0"}, {"name": "t1"}]
    said = [one.method if one.method == "DELETE" else one.json()["method"] for one in requests]
    assert said == ["tools/list", "initialize", "notifications/initialized", "tools/list", "tools/list", "DELETE"]
    assert {one.header("mcp-session-id") for one in requests[2:]} == {"s-1"}
    assert {one.header("mcp-protocol-version") for one in requests[2:]} == {"2025-06-18"}


@pytest.mark.parametrize(
    "answer",
    [
        lambda message: 500,
        lambda message: 401,
        lambda message: {},
        lambda message: {"tools": "all", "protocolVersion": "2025-06-18"},
        lambda message: {"tools": [], "nextCursor": "same", "protocolVersion": "2025-06-18"},
        lambda message: {"tools": [], "nextCursor": 7, "protocolVersion": "2025-06-18"},
        lambda message: {"protocolVersion": "1999-01-01"},
        lambda message: {"tools": [{"name": "x" * 9_000_000}], "protocolVersion": "2025-06-18"},
    ],
)
async def test_what_is_no_list_is_told_as_such(answer: Answer) -> None:
    with pytest.raises(NotListed):
        await tools(script(answer))


async def test_what_is_not_json_is_no_list() -> None:
    with pytest.raises(NotListed):
        await tools(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3\r\n\r\n{{{")
    with pytest.raises(NotListed):
        await tools(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n")


async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_SECONDS", 0.1)

    async def silent(asked: Request, talk: Conversation) -> None:
        await talk.hang()

    with pytest.raises(NotListed, match="takes more than"):
        await tools(silent)


async def test_a_server_that_is_not_there_is_told_without_its_address() -> None:
    client = Client()
    with pytest.raises(NotListed) as told:
        await Listing(client).tools(MCPServer("files", "http://127.0.0.1:1/mcp"))
    assert "127.0.0.1" not in str(told.value)
    await client.close()


async def test_a_thousand_tools_are_a_list_like_any_other() -> None:
    def many(message: dict[str, Any]) -> Any:
        start = int(message["params"].get("cursor", "0"))
        more = {"nextCursor": str(start + 100)} if start < 900 else {}
        return {"tools": [{"name": f"t{start + number}"} for number in range(100)], **more}

    found = await tools(script(many))
    assert len(found) == 1000 and len(json.dumps(found)) > 1000
    await asyncio.sleep(0)
