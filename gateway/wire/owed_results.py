"""Results for calls that were withheld in an answer that the provider keeps: it waits for them, and the agent has never
seen the calls.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from gateway.model.ask import Ask
from gateway.model.value import value
from gateway.wire.edit import insert_first, set_member


@value
class OwedResult:
    """A call that was withheld, and what the model is told about it. `kind` as of `ToolCall`."""

    call_id: str
    kind: str
    text: str


def add_results(body: bytes, ask: Ask, dialect: str, owed: Sequence[OwedResult]) -> bytes:
    """The request with these results before whatever else it says; the same object if it reports them itself.

    `ask` is `body` as it was read; `dialect` is one whose conversations providers keep.
    """
    reported = {result.call_id for result in ask.results}
    missing = [one for one in owed if one.call_id not in reported]
    member, items = ("messages", _blocks(missing)) if dialect == "messages" else ("input", list(_items(missing)))
    if not items:
        return body
    given = ask.document.get(member)
    if isinstance(given, list):
        return insert_first(body, (member,), items)
    if isinstance(given, str):
        items.append({"role": "user", "content": given})
    return set_member(body, (member,), items)


def _blocks(owed: Sequence[OwedResult]) -> list[dict[str, Any]]:
    """One message; the API takes messages of one role that follow each other for one."""
    blocks = [
        {"type": "tool_result", "tool_use_id": one.call_id, "content": one.text, "is_error": True} for one in owed
    ]
    return [{"role": "user", "content": blocks}] if blocks else []


def _items(owed: Sequence[OwedResult]) -> Iterator[dict[str, Any]]:
    """What cannot be answered in words, such as a call for a screenshot, is left out."""
    for one in owed:
        if one.kind == "mcp_approval_request":
            yield {"type": "mcp_approval_response", "approval_request_id": one.call_id, "approve": False}
        elif one.kind in ("function", "custom", "local_shell_call"):
            name = {"function": "function_call", "custom": "custom_tool_call"}.get(one.kind, one.kind)
            yield {"type": f"{name}_output", "call_id": one.call_id, "output": one.text}
        elif one.kind == "apply_patch_call":
            yield {"type": "apply_patch_call_output", "call_id": one.call_id, "status": "failed", "output": one.text}
        elif one.kind == "shell_call":
            outcome = {"stdout": "", "stderr": one.text, "outcome": {"type": "exit", "exit_code": 1}}
            yield {"type": "shell_call_output", "call_id": one.call_id, "output": [outcome]}
        elif one.kind == "tool_search_call":
            yield {"type": "tool_search_output", "call_id": one.call_id, "execution": "client", "tools": []}
