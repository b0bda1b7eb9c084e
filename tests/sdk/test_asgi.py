"""The gate before an ASGI application: what it passes on, byte for byte, and what it answers itself."""

import json
from typing import Any

import pytest

from gateway.sdk.asgi import McpGate
from gateway.sdk.errors import GatewayUnavailable
from gateway.sdk.mcp_server import META
from tests.sdk.tool_server import ARGUMENTS, token, verifier

OTHER = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def call(given: Any = None, number: int = 2, **params: Any) -> dict[str, Any]:
    members = {"name": "send_money", "arguments": ARGUMENTS, "_meta": {META: given}} | params
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": members}


class Asked:
    """An application that notes what it gets, and one exchange with the gate before it."""

    def __init__(self, largest: int = 4000, check: Any = None) -> None:
        self.got: list[bytes] = []
        self.sent: list[dict[str, Any]] = []
        gate = verifier().asgi(self._app, ["send_money"])
        self._gate = McpGate(self._app, check or gate._check, ["send_money"], largest)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        body, message = b"", {"more_body": True}
        while scope["type"] == "http" and message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        self.got.append(body)
        if scope["type"] == "http":
            assert (await receive())["type"] == "http.disconnect"

    async def ask(self, *parts: bytes, scope: Any = None, leaves: bool = False) -> list[Any]:
        """What the gate answered itself: status and document."""
        waiting: list[dict[str, Any]] = [
            {"type": "http.request", "body": part, "more_body": leaves or part is not parts[-1]} for part in parts
        ]
        waiting.append({"type": "http.disconnect"})

        async def receive() -> dict[str, Any]:
            return waiting.pop(0)

        async def send(message: Any) -> None:
            self.sent.append(message)

        await self._gate({"type": "http", "method": "POST", "headers": []} | (scope or {}), receive, send)
        return [self.sent[0]["status"], json.loads(self.sent[1]["body"])] if self.sent else []


def written(*documents: Any) -> bytes:
    return json.dumps(documents[0] if len(documents) == 1 else list(documents)).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        written(OTHER),
        b'\n{"jsonrpc" : "2.0","id":1 ,"method":"ping"}  ',
        written(OTHER, OTHER),
        written(call(token())),
        written(OTHER, call(token(jti="a")), call(token(jti="b"))),
        written(call(name="balance")),
        written({"jsonrpc": "2.0", "method": "notifications/initialized"}),
    ],
)
async def test_what_is_let_through_is_passed_on_as_it_came(body: bytes) -> None:
    asked = Asked()
    assert await asked.ask(b"", *(body[n : n + 7] for n in range(0, len(body), 7))) == []
    assert asked.got == [body]


@pytest.mark.parametrize(
    ("body", "number", "reason"),
    [
        (written(call()), 2, "intent_required"),
        (written(call(token(), params=5) | {"params": None}), 2, "malformed"),
        (written(OTHER, call(token()), call(token(), 3)), 3, "uses_exhausted"),
        (written(OTHER)[:-1], None, "malformed"),
        (written(OTHER) + b"}", None, "malformed"),
        (b'{},"batch":{}', None, "malformed"),
        (b'{},"other":{}', None, "malformed"),
        (b'{"method":"tools/list","method":"tools/call"}', None, "malformed"),
        (b"\xef\xbb\xbf{}", None, "malformed"),
        (b'"tools/call"', None, "malformed"),
        (b"[[]]", None, "malformed"),
        (b" " * 4001, None, "malformed"),
    ],
)
async def test_what_is_not_is_answered_here(body: bytes, number: int | None, reason: str) -> None:
    asked = Asked()
    status, document = await asked.ask(body)
    assert (status, document["id"], document["error"]["data"]) == (403, number, {"reason": reason})
    assert asked.got == []


async def test_a_compressed_body_is_refused() -> None:
    asked = Asked()
    status, _ = await asked.ask(b"x", scope={"headers": [(b"Content-Encoding", b"gzip")]})
    assert (status, asked.got) == (403, [])
    assert await Asked().ask(written(OTHER), scope={"headers": [(b"content-encoding", b"identity")]}) == []


async def test_without_keys_nothing_is_passed_on() -> None:
    async def fail(*call: object) -> None:
        raise GatewayUnavailable("no keys")

    asked = Asked(check=fail)
    status, document = await asked.ask(written(call(token())))
    assert (status, document["error"]["data"], asked.got) == (503, {"reason": "unavailable"}, [])


async def test_a_client_that_leaves_early_is_passed_on_to_nobody() -> None:
    asked = Asked()
    assert await asked.ask(b"{", leaves=True) == []
    assert asked.got == []


async def test_what_carries_no_calls_is_passed_on_and_a_websocket_is_closed() -> None:
    asked = Asked()
    await asked.ask(b"", scope={"method": "GET"})
    await asked.ask(scope={"type": "lifespan"})
    assert (asked.got, asked.sent) == ([b"", b""], [])
    other = Asked()
    with pytest.raises(KeyError):
        await other.ask(scope={"type": "websocket"})
    assert (other.got, other.sent[0]["type"]) == ([], "websocket.close")
