"""In front of an MCP server over HTTP, whatever it is written with: looks at each message that is sent to it."""

import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from gateway.sdk.errors import GatewayUnavailable
from gateway.sdk.jws import InvalidCall, read_object
from gateway.sdk.mcp_server import REFUSED, Check, call_of

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_LARGEST = 4 * 1024 * 1024


class McpGate:
    """Passes on what is no `tools/call`, and calls that were let through; answers all else with 403 and a JSON-RPC
    error. A body is read as a whole before the server sees any of it, and passed on as it came; one that two readers
    could read differently is refused.

    Args:
        app: the ASGI application.
        check: of a call's token, tool and arguments; raises InvalidCall.
        tools: those that need a token; None: all.
        largest: bytes of a body.
    """

    def __init__(self, app: Any, check: Check, tools: Collection[str] | None, largest: int = _LARGEST) -> None:
        self._app = app
        self._check = check
        self._tools = tools
        self._largest = largest

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # no transport of MCP's own, so nobody would look at it
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS", "DELETE"):
            await self._app(scope, receive, send)
            return
        asked: list[Any] = []
        try:
            body = await self._body(scope, receive)
            for message in _messages(body):
                asked.append(message.get("id"))
                await self._look(message)
        except InvalidCall as problem:
            await _refuse(send, 403, asked, str(problem), problem.word)
        except GatewayUnavailable as problem:
            await _refuse(send, 503, asked, str(problem), "unavailable")
        else:
            if body is not None:
                await self._app(scope, _again(body, receive), send)

    async def _body(self, scope: MutableMapping[str, Any], receive: Receive) -> bytes | None:
        """None: the client left."""
        if any(
            name.lower() == b"content-encoding" and value.lower() != b"identity" for name, value in scope["headers"]
        ):
            raise InvalidCall("malformed", "the body is compressed")
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._largest:
                raise InvalidCall("malformed", f"the body is larger than {self._largest} bytes")
            more = message.get("more_body", False)
        return b"".join(parts)

    async def _look(self, message: dict[str, Any]) -> None:
        if message.get("method") == "tools/call":
            token, tool, arguments = call_of(message.get("params"))
            if self._tools is None or tool in self._tools:
                await self._check(token, tool, arguments)


def _messages(body: bytes | None) -> list[dict[str, Any]]:
    """The message, or those of a batch (protocol 2025-03-26). Raises InvalidCall."""
    if not body:
        return []
    # Inside an object, so that one reader reads both.
    document = read_object(b'{"batch":' + body + b"}")
    if document.keys() != {"batch"}:
        raise InvalidCall("malformed", "the body is more than one JSON document")
    batch = document["batch"] if isinstance(document["batch"], list) else [document["batch"]]
    if not all(isinstance(message, dict) for message in batch):
        raise InvalidCall("malformed", "a message is no JSON object")
    return batch


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives the body once more, then whatever else the client says: that it left."""
    waiting = [body]

    async def give() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return give


async def _refuse(send: Send, status: int, asked: list[Any], message: str, reason: str) -> None:
    error = {"code": REFUSED, "message": message, "data": {"reason": reason}}
    body = json.dumps({"jsonrpc": "2.0", "id": asked[-1] if asked else None, "error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
