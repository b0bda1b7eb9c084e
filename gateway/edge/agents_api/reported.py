"""What agents say of their actions, in the form in which it can be recorded."""

import math
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

_DEEPEST = 16
_SAFE_INTEGER = 2**53


def _kept(members: dict[str, Any]) -> dict[str, Any]:
    """The same, if every reader of the record will read what was written."""
    left = [(value, 1) for value in members.values()]
    while left:
        value, depth = left.pop()
        if isinstance(value, dict | list):
            if depth >= _DEEPEST:
                raise ValueError(f"is nested more than {_DEEPEST} deep")
            left += [(inner, depth + 1) for inner in (value.values() if isinstance(value, dict) else value)]
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError("holds a number that JSON does not have")
        elif isinstance(value, int) and abs(value) > _SAFE_INTEGER:
            raise ValueError("holds a whole number beyond 2^53, which readers of JSON do not agree on (RFC 8259, 6)")
    return members


Resource = Annotated[
    str, StringConstraints(max_length=1000, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$")
]
Members = Annotated[dict[str, Any], AfterValidator(_kept), Field(default_factory=dict)]


def redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """The same with every text in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(name): redacted(inner, redact) for name, inner in value.items()}
    return [redacted(inner, redact) for inner in value] if isinstance(value, list) else value
