"""The messages of one MCP request body, read so that every reader would read the same, or refused."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gateway.model.errors import UnreadableRequest
from gateway.model.tool_call import ToolCall
from gateway.model.value import value
from gateway.wire.mcp import INVALID_PARAMS, INVALID_REQUEST, OWN_KEYS, PARSE_ERROR, MCPRefusal, RequestId
from gateway.wire.strict_json import dumps, exact, loads

BATCH_LIMIT = 100
"""Messages in one body."""

TRACE_KEYS = frozenset(("traceparent", "tracestate", "baggage"))
"""Trace context in `_meta` (SEP-414)."""

_MEMBERS = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
_PARAMS = frozenset({"_meta", "name", "arguments", "uri"})
_CALL = "tools/call"
_NOT_IN_METHODS = re.compile(r"[^a-z]")


@value
class Message:
    """One JSON-RPC message; `document` is never changed in place.

    Attributes:
        method: None for a response.
        id: None for a notification. `params`: empty where there are none.
    """

    document: dict[str, Any]
    method: str | None
    id: RequestId | None
    params: Mapping[str, Any]

    @property
    def is_request(self) -> bool:
        return self.method is not None and self.id is not None

    @property
    def is_call(self) -> bool:
        return self.method == _CALL

    @property
    def meta(self) -> Mapping[str, Any]:
        found = self.params.get("_meta")
        return found if isinstance(found, dict) else {}


@value
class Body:
    """Everything in one request body. `batch`: it came as an array, and is answered as one."""

    messages: tuple[Message, ...]
    batch: bool

    @property
    def requests(self) -> tuple[Message, ...]:
        return tuple([message for message in self.messages if message.is_request])


def read_body(body: bytes) -> Body:
    """Raises MCPRefusal, or UnreadableRequest `duplicate_key`."""
    try:
        document = exact(body, loads(body))
    except UnreadableRequest as error:
        if error.code == "duplicate_key":
            raise
        raise MCPRefusal(PARSE_ERROR, error.message) from None
    if type(document) is not list:
        return Body((_message(document),), False)
    if not 0 < len(document) <= BATCH_LIMIT:
        raise MCPRefusal(INVALID_REQUEST, f"A batch holds 1 to {BATCH_LIMIT} messages, not {len(document)}.")
    read = Body(tuple([_message(one) for one in document]), True)
    ids = [message.id for message in read.requests]
    if len({(type(id), id) for id in ids}) < len(ids):
        raise MCPRefusal(INVALID_REQUEST, "Two requests of the batch have one id.")
    return read


def write_body(messages: Sequence[Message], *, batch: bool) -> bytes:
    """The body of these messages, where it may not go on as it came."""
    documents = [message.document for message in messages]
    return dumps(documents if batch else documents[0])


def call_of(message: Message, index: int, server: str) -> ToolCall:
    """The call that a `tools/call` asks for. Raises MCPRefusal where there is none in it."""
    name, arguments = message.params.get("name"), message.params.get("arguments")
    if type(name) is not str or not name:
        raise MCPRefusal(INVALID_PARAMS, "`params.name` of tools/call must be the name of a tool.")
    if arguments is None:
        arguments = {}
    if type(arguments) is not dict:
        raise MCPRefusal(INVALID_PARAMS, f"`params.arguments` must be an object, not {type(arguments).__name__}.")
    return ToolCall(name, "function", dumps(arguments).decode(), arguments, None, str(message.id), index, server)


def with_meta(message: Message, added: Mapping[str, Any], left_out: Collection[str] = ()) -> Message:
    """The message with what the gateway says in its `_meta`, and nothing that a caller says in the gateway's name."""
    meta = message.params.get("_meta")
    foreign = [key for key in message.meta if key.startswith(OWN_KEYS) or key in left_out]
    if not added and not foreign:
        return message
    kept = {key: one for key, one in message.meta.items() if key not in foreign} | dict(added)
    params = {**message.params, "_meta": kept}
    if not kept and type(meta) is dict:
        del params["_meta"]
    document = {**message.document, "params": params}
    return Message(document, message.method, message.id, params)


def _message(document: Any) -> Message:
    if type(document) is not dict or document.get("jsonrpc") != "2.0":
        raise MCPRefusal(INVALID_REQUEST, "The body must be a JSON-RPC 2.0 message.")
    _check_names(document, _MEMBERS)
    if "method" in document:
        return _asking(document)
    id = document.get("id")
    if not _is_id(id) or ("result" in document) == ("error" in document):
        raise MCPRefusal(INVALID_REQUEST, "A message has a `method`, or an `id` and either `result` or `error`.")
    return Message(document, None, id, {})


def _asking(document: dict[str, Any]) -> Message:
    """A request or a notification."""
    method, id, params = document["method"], document.get("id"), document.get("params")
    if type(method) is not str or "result" in document or "error" in document:
        raise MCPRefusal(INVALID_REQUEST, "`method` must be text, in a message that holds no answer.")
    if method != _CALL and _NOT_IN_METHODS.sub("", unicodedata.normalize("NFKC", method).casefold()) == "toolscall":
        raise MCPRefusal(INVALID_REQUEST, f"`method` could be taken for {_CALL}; write it exactly so.")
    if "id" in document and not _is_id(id):
        raise MCPRefusal(INVALID_REQUEST, "`id` must be text or a whole number.")
    if params is not None and type(params) is not dict:
        raise MCPRefusal(INVALID_REQUEST, f"`params` must be an object, not {type(params).__name__}.")
    if params:
        _check_names(params, _PARAMS)
    if method == _CALL and id is None:
        raise MCPRefusal(INVALID_REQUEST, "tools/call needs an `id`: what nobody waits for is not executed.")
    return Message(document, method, id, params or {})


def _is_id(id: object) -> bool:
    return type(id) is str or type(id) is int


def _check_names(members: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse keys that parsers which ignore case (Go's) take for one that is judged."""
    for key in members:
        if key not in known and key.casefold() in known:
            raise MCPRefusal(PARSE_ERROR, f"The key {key[:40]!r} differs from {key.casefold()!r} only by case.")
