"""The gateway's own look at the tools of an MCP server: every page, with the server's credential and nobody's session.

The stateless era is tried first, always, so that every replica reads the same; then the handshake era.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import orjson

from gateway import __version__
from gateway.model.errors import Refusal
from gateway.model.headers import Headers, header_value
from gateway.upstream.decode import Decoder, decode_answer
from gateway.upstream.mcp_servers import MCPServer
from gateway.upstream.reply import Opener, Reply
from gateway.wire.mcp import HANDSHAKE_VERSIONS, STATELESS_VERSIONS, VERSION_KEY
from gateway.wire.sse import FrameSplitter, FrameTooLong, parse
from gateway.wire.strict_json import dumps

_SECONDS = 15.0
_LARGEST = 8 * 1024 * 1024
"""Bytes of all pages together."""
_MOST_PAGES = 200
_ID = "leuko-1"
_INFO = {"name": "leuko", "version": __version__}
_ACCEPT: Headers = [(b"content-type", b"application/json"), (b"accept", b"application/json, text/event-stream")]
_META = {
    VERSION_KEY: STATELESS_VERSIONS[-1],
    "io.modelcontextprotocol/clientInfo": _INFO,
    "io.modelcontextprotocol/clientCapabilities": {},
}
_LIST = "tools/list"


class NotListed(Exception):
    """The server does not say which tools it has; the message says why, without an address."""


class Listing:
    """Asks servers."""

    def __init__(self, client: Opener) -> None:
        self._client = client

    async def tools(self, server: MCPServer) -> list[Any]:
        """Every tool, as the server has them. Raises NotListed."""
        try:
            async with asyncio.timeout(_SECONDS):
                try:
                    return await self._stateless(server)
                except NotListed:
                    return await self._in_session(server)
        except TimeoutError:
            raise NotListed(f"it takes more than {_SECONDS:.0f} s") from None
        except Refusal as refusal:
            raise NotListed(refusal.code) from None

    async def _stateless(self, server: MCPServer) -> list[Any]:
        headers: Headers = [
            (b"mcp-protocol-version", STATELESS_VERSIONS[-1].encode()),
            (b"mcp-method", _LIST.encode()),
        ]
        return await self._pages(server, headers, {"_meta": _META})

    async def _in_session(self, server: MCPServer) -> list[Any]:
        asked = {"protocolVersion": HANDSHAKE_VERSIONS[-1], "capabilities": {}, "clientInfo": _INFO}
        result, received, _ = await self._ask(server, [], "initialize", asked)
        version, session = result.get("protocolVersion"), header_value(received, b"mcp-session-id")
        if version not in HANDSHAKE_VERSIONS:
            raise NotListed("it speaks no version that is known here")
        headers: Headers = [(b"mcp-protocol-version", str(version).encode())]
        headers += [] if session is None else [(b"mcp-session-id", session)]
        try:
            await self._tell(server, headers, "notifications/initialized")
            return await self._pages(server, headers, {})
        finally:
            if session is not None:
                with contextlib.suppress(Refusal):
                    (await self._open(server, "DELETE", headers, None)).close()

    async def _pages(self, server: MCPServer, headers: Headers, params: Mapping[str, Any]) -> list[Any]:
        found: list[Any] = []
        size, cursor, seen = 0, None, set[str]()
        for _ in range(_MOST_PAGES):
            more = dict(params) if cursor is None else {**params, "cursor": cursor}
            result, _, length = await self._ask(server, headers, _LIST, more)
            tools, cursor = result.get("tools"), result.get("nextCursor")
            size += length
            if type(tools) is not list or size > _LARGEST:
                raise NotListed("it does not list tools" if type(tools) is not list else "its list is too long")
            found += tools
            if cursor is None:
                return found
            if type(cursor) is not str or cursor in seen:
                break
            seen.add(cursor)
        raise NotListed("its list has no end")

    async def _ask(
        self, server: MCPServer, headers: Headers, method: str, params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], Headers, int]:
        """The result, the headers it came with, and how long it is. Raises NotListed, Refusal."""
        message = {"jsonrpc": "2.0", "id": _ID, "method": method, "params": params}
        reply = await self._open(server, "POST", headers, dumps(message))
        try:
            if reply.status != 200:
                raise NotListed(f"it answers {reply.status}")
            async for data in _documents(reply):
                answer = _answer(data)
                if answer is not None:
                    return answer, reply.headers, len(data)
        finally:
            reply.close()
        raise NotListed(f"it does not answer {method}")

    async def _tell(self, server: MCPServer, headers: Headers, method: str) -> None:
        reply = await self._open(server, "POST", headers, dumps({"jsonrpc": "2.0", "method": method}))
        reply.close()

    async def _open(self, server: MCPServer, method: str, headers: Headers, body: bytes | None) -> Reply:
        sent = [*_ACCEPT, *headers, *server.credential]
        return await self._client.open(server.provider, method, server.path, b"", sent, body)


async def _documents(reply: Reply) -> AsyncIterator[bytes]:
    """The JSON documents of an answer, whole or as events. Raises NotListed, Refusal."""
    encoding = header_value(reply.headers, b"content-encoding")
    name = None if encoding is None else encoding.decode("latin-1")
    if not (header_value(reply.headers, b"content-type") or b"").lower().startswith(b"text/event-stream"):
        body = await reply.read(_LARGEST)
        yield body if name is None else decode_answer(body, name, limit=_LARGEST)
        return
    decoder, splitter = None if name is None else Decoder(name, limit=_LARGEST), FrameSplitter(_LARGEST)
    while chunk := await reply.chunk():
        try:
            frames: Sequence[bytes] = splitter.feed(chunk if decoder is None else decoder.decode(chunk))
        except FrameTooLong:
            raise NotListed("its list is too long") from None
        for frame in frames:
            _, data, has_data = parse(frame)
            if has_data:
                yield data


def _answer(data: bytes) -> dict[str, Any] | None:
    """The result in a document; None for another message. Raises NotListed for an error."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if type(document) is not dict or document.get("id") != _ID or "method" in document:
        return None
    result = document.get("result")
    if type(result) is not dict:
        raise NotListed("it answers with an error")
    return result
