"""What a conversation in a request consists of, whatever the dialect: its messages or items, who says them, and which
calls they make or report. Tolerant, as `History` is.
"""

from collections.abc import Iterator
from typing import Any, Literal

import orjson

from gateway.wire.responses_items import result as responses_result

ARRAYS = {"chat_completions": "messages", "responses": "input", "messages": "messages"}
"""The member that holds the conversation, of the dialects that have one."""

Speaker = Literal["system", "user", "model", "tool", "tools"]
"""Who says a message; `tools`: it offers some and says nothing."""

_MAKERS = ("system", "developer")
_TOLD_ANEW = frozenset({"cache_control"})
"""Members that clients move along as a conversation goes on."""


def said_in(dialect: str, document: dict[str, Any]) -> list[Any]:
    """The messages or items of a request; none where its conversation is one text."""
    found = document.get(ARRAYS.get(dialect, ""))
    return found if isinstance(found, list) else []


def speaker(dialect: str, message: Any) -> Speaker:
    """What nobody is known to say counts as the model's."""
    if not isinstance(message, dict):
        return "model"
    role, kind = message.get("role"), message.get("type")
    if role in _MAKERS:
        return "system"
    if dialect == "responses" and isinstance(kind, str) and kind != "message":
        if kind == "additional_tools":
            return "tools"
        return "model" if responses_result(message) is None else "tool"
    if role == "user":
        only_results = dialect == "messages" and 0 < len(results_among(message)) == len(message["content"])
        return "tool" if only_results else "user"
    return "tool" if role in ("tool", "function") else "model"


def calls_in(dialect: str, message: Any) -> Iterator[str]:
    """The ids of the calls that a message makes."""
    if not isinstance(message, dict):
        return
    if dialect == "responses":
        kind = message.get("type")
        if isinstance(kind, str) and kind.endswith(("_call", "_approval_request")):
            yield from (one for one in (message.get("call_id"), message.get("id")) if isinstance(one, str))
        return
    calls = message.get("tool_calls") if dialect == "chat_completions" else message.get("content")
    for call in calls if isinstance(calls, list) else ():
        made = isinstance(call, dict) and (dialect == "chat_completions" or call.get("type") == "tool_use")
        if made and isinstance(call.get("id"), str):
            yield call["id"]
    older = message.get("function_call")
    if isinstance(older, dict) and isinstance(older.get("name"), str):
        yield older["name"]  # its result names no other id


def reported_in(dialect: str, message: Any) -> str | None:
    """The id of the call whose result a message is; None where it is none. In the Messages API blocks are results."""
    if not isinstance(message, dict):
        return None
    if dialect == "responses":
        found = responses_result(message)
        return None if found is None else found.call_id or ""
    if dialect == "messages":
        return str(message.get("tool_use_id") or "") if message.get("type") == "tool_result" else None
    if message.get("role") == "tool":
        return str(message.get("tool_call_id") or "")
    return str(message.get("name") or "") if message.get("role") == "function" else None


def results_among(message: Any) -> frozenset[int]:
    """The places of the blocks of a message of the Messages API that report results."""
    content = message.get("content") if isinstance(message, dict) else None
    blocks = content if isinstance(content, list) else ()
    return frozenset(at for at, block in enumerate(blocks) if reported_in("messages", block) is not None)


def lasting(message: Any) -> bytes:
    """What of a message stays the same when it is sent again; empty of what the agent's makers tell the model."""
    if isinstance(message, dict) and message.get("role") in _MAKERS:
        return b""
    return orjson.dumps(_without(message, _TOLD_ANEW), option=orjson.OPT_SORT_KEYS)


def _without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(one, names) for key, one in value.items() if key not in names}
    return [_without(one, names) for one in value] if isinstance(value, list) else value
