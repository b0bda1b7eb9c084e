"""Token usage in chat completions and completions, and taking out the usage that only the gateway asked for."""

import re
from typing import Any

from gateway.model.answer import Usage
from gateway.wire import edit, tolerant

_NULL_USAGE = re.compile(rb',\s*"usage"\s*:\s*null')


def read_usage(usage: object) -> Usage | None:
    """The `usage` member, or None if it does not count tokens."""
    if not isinstance(usage, dict):
        return None
    inputs, outputs = usage.get("prompt_tokens"), usage.get("completion_tokens", 0)
    if not isinstance(inputs, int) or not isinstance(outputs, int):
        return None
    return Usage(
        inputs,
        outputs,
        cached_tokens=tolerant.count(usage.get("prompt_tokens_details"), "cached_tokens"),
        reasoning_tokens=tolerant.count(usage.get("completion_tokens_details"), "reasoning_tokens"),
        cache_write_tokens=tolerant.count(usage.get("prompt_tokens_details"), "cache_write_tokens"),
    )


def strip_usage(frame: bytes, document: dict[str, Any] | None) -> bytes:
    """A stream's frame, read as `document`, without its `usage`; empty if it was sent for the usage alone."""
    if document is None or "usage" not in document:
        return frame
    if document["usage"] is not None:
        if not document.get("choices"):
            return b""
    elif frame.count(b'"usage"') == 1:
        if b',"usage":null' in frame:
            return frame.replace(b',"usage":null', b"")
        stripped, found = _NULL_USAGE.subn(b"", frame)
        if found == 1:
            return stripped
    return _without_usage(frame)


def _without_usage(frame: bytes) -> bytes:
    head, colon, rest = frame.partition(b"data:")
    try:
        return head + colon + edit.remove_member(rest, ("usage",))
    except ValueError:
        return frame  # its data comes in several lines: it may keep what it says
