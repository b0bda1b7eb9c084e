"""The Model Context Protocol over HTTP: its two eras, and what the gateway itself answers there.

Handshake era (2024-11-05 to 2025-11-25): `initialize`, then a session. Stateless era (2026-07-28): every request says
in `params._meta` what it speaks, and in headers what it is about. https://modelcontextprotocol.io/specification
"""

import enum
from collections.abc import Sequence
from typing import Any

from gateway.model.errors import Refusal
from gateway.model.verdict import Denial
from gateway.wire.refusal_text import denied_members
from gateway.wire.strict_json import dumps

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
STATELESS_VERSIONS = ("2026-07-28",)
BATCH_VERSION = "2025-03-26"
"""The only revision in which one body may hold several messages; its clients send no version header."""

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
"""In `params._meta` of the stateless era."""
OWN_KEYS = "io.leuko/"
"""What names of the gateway's own members of `_meta` start with."""
INTENT_KEY = "io.leuko/intent"

LISTEN = "subscriptions/listen"
"""Answered by a stream that ends only when somebody ends it."""
CALL_KEY = "io.leuko/call"

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022
REFUSED = -32010
"""The gateway's own: of the codes that the protocol leaves to implementations, -32000 to -32019."""

_CODES = {"invalid_request": INVALID_REQUEST, "duplicate_key": PARSE_ERROR, "internal_error": INTERNAL_ERROR}

RequestId = str | int


class Era(enum.Enum):
    """Which of the two a request speaks."""

    HANDSHAKE = "initialize and sessions"
    STATELESS = "every request by itself"


class MCPRefusal(Refusal):
    """A refusal with a JSON-RPC code of its own.

    Args:
        rpc: the JSON-RPC code.
        headers: further response headers, lower-case names.
        data: members of the error's `data`.
    """

    def __init__(
        self,
        rpc: int,
        message: str,
        *,
        code: str = "invalid_request",
        status: int = 400,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        **data: Any,
    ) -> None:
        super().__init__(code, message, status=status, headers=headers)
        self.rpc = rpc
        self.data = data

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.rpc, self.message))


def error_of(refusal: Refusal, id: RequestId | None) -> dict[str, Any]:
    """A refusal as the JSON-RPC answer to the request `id`; None where that is not known."""
    data: dict[str, Any] = {"code": refusal.code, "type": refusal.kind.type}
    if refusal.param is not None:
        data["param"] = refusal.param
    if refusal.approval_id is not None:
        data["approval_id"] = refusal.approval_id
    rpc = _CODES.get(refusal.code, REFUSED)
    if isinstance(refusal, MCPRefusal):
        rpc, data = refusal.rpc, {**refusal.data, **data}
    return {"jsonrpc": "2.0", "id": id, "error": {"code": rpc, "message": refusal.message, "data": data}}


def error_body(refusal: Refusal, id: RequestId | None = None) -> bytes:
    """The body of a refusal before anything was sent."""
    return dumps(error_of(refusal, id))


def error_event(refusal: Refusal, ids: Sequence[RequestId]) -> bytes:
    """The same in a stream that has begun: one event for each request that will get no other answer."""
    return b"".join([event_of(error_of(refusal, id)) for id in ids])


def event_of(message: dict[str, Any]) -> bytes:
    return b"event: message\ndata: " + dumps(message) + b"\n\n"


def denied_result(id: RequestId, era: Era, text: str, denied: Sequence[Denial]) -> dict[str, Any]:
    """What a call that was not let through answers: a tool that failed, so that the model reads why."""
    meta = {"io.leuko/denied": denied_members(denied)}
    return _result(id, era, text, meta, is_error=True)


def again_result(id: RequestId, state: str, waiting: Refusal) -> dict[str, Any]:
    """What a call answers that waits for a person: the caller sends it again, with this state."""
    meta = {"io.leuko/approval": {"approval_id": waiting.approval_id, "message": waiting.message}}
    result = {"resultType": "input_required", "requestState": state, "_meta": meta}
    return {"jsonrpc": "2.0", "id": id, "result": result}


def planned_result(id: RequestId, era: Era, text: str) -> dict[str, Any]:
    """What a call answers that is only planned."""
    return _result(id, era, text, {"io.leuko/dry_run": True}, is_error=False)


def without_output_schemas(message: dict[str, Any]) -> dict[str, Any] | None:
    """A list of tools for who gets no more than plans: what these answer is nothing that such a schema describes, and
    clients that know one raise an error in its place. None: there is nothing to be taken out."""
    result = message.get("result")
    if type(result) is not dict:
        return None
    tools = result.get("tools")
    if type(tools) is not list or not any(type(tool) is dict and "outputSchema" in tool for tool in tools):
        return None
    kept = [
        {key: one for key, one in tool.items() if key != "outputSchema"} if type(tool) is dict else tool
        for tool in tools
    ]
    return {**message, "result": {**result, "tools": kept}}


def _result(id: RequestId, era: Era, text: str, meta: dict[str, Any], *, is_error: bool) -> dict[str, Any]:
    result = {"content": [{"type": "text", "text": text}], "isError": is_error, "_meta": meta}
    if era is Era.STATELESS:
        result["resultType"] = "complete"
    return {"jsonrpc": "2.0", "id": id, "result": result}
