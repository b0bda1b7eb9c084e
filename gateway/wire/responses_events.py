"""The events of a Responses stream: their names, and which of them may carry a call."""

from typing import Any

from gateway.wire import typed_events

TEXTS = {
    kind: kind.encode()
    for kind in (
        "response.output_text.delta",
        "response.refusal.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
    )
}
STARTS = frozenset({"response.created", "response.queued", "response.in_progress"})
ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
ADDED = "response.output_item.added"
DONE = "response.output_item.done"
NOWHERE = -1
"""Stands for the output index of events that name none."""

_NAMES_OF_CALLS = (b'_call"', b"_call_", b"_approval_request", b"arguments", b"tool", b"\\u")
_HOSTED = (
    "response.web_search_call.",
    "response.file_search_call.",
    "response.code_interpreter_call",
    "response.image_generation_call.",
    "response.mcp_call",
    "response.mcp_list_tools.",
    "response.shell_call_output_content.",
)


def tells_of_call(kind: str) -> bool:
    """Whether events of this name belong to calls that a client executes, if nothing is known of their item."""
    return ("_call" in kind or "_approval_request" in kind) and not kind.startswith(_HOSTED)


def is_delicate(kind: str) -> bool:
    """Whether an event of this name may carry a call."""
    return kind in (ADDED, DONE) or kind in STARTS or kind in ENDS or tells_of_call(kind)


def is_innocent(data: bytes) -> bool:
    """Whether no name of a call is in these bytes, escaped or not: then nobody can find one in them."""
    return b"_call" not in data and b"_approval_request" not in data and b"\\u" not in data


def index_of(event: dict[str, Any]) -> int:
    """The output index an event names."""
    index = event.get("output_index")
    return index if type(index) is int else NOWHERE


def load(data: bytes) -> dict[str, Any] | None:
    """See `typed_events.load`."""
    return typed_events.load(data, _NAMES_OF_CALLS)
