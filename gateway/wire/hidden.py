"""Finds calls that stand where no reader of the gateway looks, but a client might.

A client in a dynamic language takes `{"0": …}` for a list, one in Go takes `Tool_Calls` for `tool_calls`, and some read
an item wherever an event carries one. What cannot be judged must not leave, so the answer it stands in is refused.
"""

from collections.abc import Callable, Iterable
from typing import Any

_CALLS = frozenset({"tool_calls", "function_call"})
_SHORTEST, _LONGEST = min(map(len, _CALLS)), max(map(len, _CALLS))


def could_name(body: bytes, name: bytes) -> bool:
    """Whether a name, in any case, could be spelled in a JSON text, plainly or with escapes.

    Args:
        name: lower-case ASCII without the letters that others fold to: `k` and `s`.
    """
    return name in body.lower() or (b"\\" in body and b"\\u00" in body)


def hides_named_calls(document: object, messages: Iterable[object]) -> bool:
    """Whether a member `tool_calls` or `function_call`, in any case, holds something outside of these messages."""
    read = {id(message) for message in messages}
    rest = [document]
    while rest:
        value = rest.pop()
        if isinstance(value, list):
            rest += [one for one in value if isinstance(one, list | dict)]
        elif isinstance(value, dict):
            for key, one in value.items():
                if not isinstance(one, list | dict):
                    continue
                if _SHORTEST <= len(key) <= _LONGEST and key.casefold() in _CALLS:
                    if key in _CALLS and id(value) in read:
                        continue
                    if one:
                        return True
                rest.append(one)
    return False


def hides_typed_calls(
    document: object,
    read: Iterable[object],
    is_call: Callable[[dict[str, Any]], bool],
    told: frozenset[str] = frozenset(),
) -> bool:
    """Whether an object that `is_call` stands anywhere but among those `read`; members called `told` tell of other
    things than of calls to execute."""
    seen = {id(one) for one in read}
    rest = [document]
    while rest:
        value = rest.pop()
        if isinstance(value, list):
            rest += [one for one in value if isinstance(one, list | dict)]
        elif isinstance(value, dict):
            if is_call(value):
                if id(value) not in seen:
                    return True
                continue
            rest += [one for key, one in value.items() if isinstance(one, list | dict) and key not in told]
    return False
