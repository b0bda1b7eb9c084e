"""The simulated cloud as an MCP server over streamable HTTP, both eras: for a first try, for demonstrations, for tests.

Every answer is one JSON document: there is nothing to stream, no session to keep, and nothing the server would ask.
https://modelcontextprotocol.io/specification
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from gateway.demo.cloud_state import Cloud, CloudError
from gateway.demo.cloud_tools import TOOLS, call
from gateway.model.errors import Refusal, UnreadableRequest
from gateway.wire.mcp import (
    HANDSHAKE_VERSIONS,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    STATELESS_VERSIONS,
    VERSION_KEY,
    Era,
    MCPRefusal,
    error_body,
    error_of,
)
from gateway.wire.mcp_agreement import check_agreement, era_of
from gateway.wire.mcp_messages import Message, read_body

PATH = "/mcp"

_MOST_BYTES = 1024 * 1024
_CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
_SERVER = {"name": "leuko-cloud", "title": "A simulated cloud", "version": "1"}
_CAPABILITIES = {"tools": {"listChanged": False}}
_LOCAL = ("localhost", "127.0.0.1", "::1")
_JSON = (b"content-type", b"application/json")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class CloudServer:
    """An ASGI application; serves `PATH`."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        id: str | int | None = None
        try:
            _check_head(scope)
            body = read_body(await _whole(receive))
            fields = dict(scope["headers"])
            era = era_of(scope["headers"], fields)
            check_agreement(era, fields, body)
            if not body.requests:
                return await _send(send, 202, b"")
            if body.batch:
                answers = [self._in_batch(era, message) for message in body.requests]
                return await _send(send, 200, orjson.dumps(answers))
            id = body.messages[0].id
            await _send(send, 200, orjson.dumps(self._answer(era, body.messages[0])))
        except UnreadableRequest as error:
            await _send(send, 400, error_body(MCPRefusal(PARSE_ERROR, str(error)), id))
        except Refusal as refusal:
            await _send(send, refusal.status, error_body(refusal, id), *refusal.headers)

    def _in_batch(self, era: Era, message: Message) -> dict[str, Any]:
        try:
            return self._answer(era, message)
        except MCPRefusal as refusal:
            return error_of(refusal, message.id)

    def _answer(self, era: Era, message: Message) -> dict[str, Any]:
        """Raises MCPRefusal."""
        return {"jsonrpc": "2.0", "id": message.id, "result": self._result(era, message)}

    def _result(self, era: Era, message: Message) -> dict[str, Any]:
        """Raises MCPRefusal."""
        stateless = era is Era.STATELESS
        if stateless:
            _check_envelope(message)
        result = self._dispatch(message, stateless)
        if result is None:
            raise MCPRefusal(METHOD_NOT_FOUND, "Method not found", status=404 if stateless else 200)
        return {"resultType": "complete", **result} if stateless else result

    def _dispatch(self, message: Message, stateless: bool) -> dict[str, Any] | None:
        match message.method:
            case "initialize" if not stateless:
                asked = message.params.get("protocolVersion")
                version = asked if asked in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]
                return {"protocolVersion": version, "capabilities": _CAPABILITIES, "serverInfo": _SERVER}
            case "ping" if not stateless:
                return {}
            case "server/discover" if stateless:
                info = {"_meta": {"io.modelcontextprotocol/serverInfo": _SERVER}}
                return {**info, "supportedVersions": list(STATELESS_VERSIONS), "capabilities": _CAPABILITIES} | _FRESH
            case "tools/list":
                tools = {"tools": [tool.definition(name) for name, tool in TOOLS.items()]}
                return tools | _FRESH if stateless else tools
            case "tools/call":
                return self._call(message)
        return None

    def _call(self, message: Message) -> dict[str, Any]:
        name, arguments = message.params.get("name"), message.params.get("arguments")
        if name not in TOOLS or not isinstance(arguments, dict | None):
            raise MCPRefusal(INVALID_PARAMS, f"Unknown tool, or arguments that are no object: {str(name)[:100]}")
        try:
            text, failed = call(self.cloud, name, arguments or {}), False
        except CloudError as error:
            text, failed = str(error), True
        return {"content": [{"type": "text", "text": text}], "isError": failed}


_FRESH = {"ttlMs": 0, "cacheScope": "public"}


def _check_head(scope: Scope) -> None:
    """Raises MCPRefusal, also for pages of other origins: browsers let them send (DNS rebinding)."""
    if scope["path"].rstrip("/") != PATH:
        raise MCPRefusal(INVALID_REQUEST, f"The MCP server is at {PATH}.", code="not_found", status=404)
    origin = dict(scope["headers"]).get(b"origin")
    if origin is not None and urlsplit(origin.decode("latin-1")).hostname not in _LOCAL:
        raise MCPRefusal(INVALID_REQUEST, "Pages of this origin may not ask.", status=403)
    if scope["method"] != "POST":
        allow = ((b"allow", b"POST"),)
        raise MCPRefusal(INVALID_REQUEST, "This server has no streams and no sessions.", status=405, headers=allow)


def _check_envelope(message: Message) -> None:
    """Raises MCPRefusal for a stateless request that does not say what it speaks and can do."""
    for key in (VERSION_KEY, _CAPABILITIES_KEY):
        if key not in message.meta:
            raise MCPRefusal(INVALID_PARAMS, f"`params._meta` needs {key}.")


async def _whole(receive: Receive) -> bytes:
    body = b""
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise MCPRefusal(INVALID_REQUEST, "The client left.")
        part: bytes = event.get("body", b"")
        body += part
        if len(body) > _MOST_BYTES:
            raise MCPRefusal(INVALID_REQUEST, f"The body is larger than {_MOST_BYTES} bytes.", status=413)
        if not event.get("more_body"):
            return body


async def _send(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(body)).encode())
    start = [_JSON, length, *headers] if body else [length, *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
