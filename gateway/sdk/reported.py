"""Vitals as an agent reports them: numbers and names in the bounds that the gateway takes, never text."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict

_TEXT = 200
"""Characters of a name."""
_NAMES = 100
_COUNT = 10**6
_TOKENS = 10**9

# In the names that libraries give to errors: https://github.com/openai/openai-python#handling-errors
_FAULTS = (
    ("timeout", 504),
    ("connect", 502),
    ("ratelimit", 429),
    ("internalserver", 500),
    ("serviceunavailable", 503),
    ("overloaded", 503),
)


class Reported(TypedDict, total=False):
    """One exchange with a model; what is left out is not known.

    `time` in seconds since the epoch, at which it ended; `status` as the agent got it from the provider, 0 without an
    answer; `error_type` a word such as `timeout`; times in milliseconds; `input_tokens` with the cached ones,
    `output_tokens` with those of reasoning; `tool_calls` are those of the answer (omitted: as many as `tool_names`),
    `tool_errors` and `repeated_calls` those among the results that the request carried; `prompt_hash` and `tools_hash`
    whatever stays the same while prompt and tools do.
    """

    agent_id: str
    name: str
    request_id: str
    time: float
    dialect: str
    provider: str
    model: str
    stream: bool
    status: int
    error_type: str
    latency_ms: float
    ttft_ms: float
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    usage_estimated: bool
    cost_usd: float
    tool_calls: int
    tool_names: Iterable[str]
    tool_errors: int
    denied_calls: int
    repeated_calls: int
    retries: int
    finish_reason: str
    prompt_hash: str
    tools_hash: str
    conversation: str
    turn: int


def cleaned(vitals: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What can be sent, and the names of what cannot. Numbers that are too large are cut to the largest taken, so that
    one odd measurement does not cost the others of its batch."""
    kept: dict[str, Any] = {}
    odd: list[str] = []
    for name, given in vitals.items():
        if given is None:
            continue
        read = _READ.get(name)
        value = None if read is None else read(given)
        if value is None:
            odd.append(name)
        else:
            kept[name] = value
    return kept, odd


def name_of(given: object) -> str | None:
    """A name without what has no place in one, and not longer than one may be; None: there is none."""
    if not isinstance(given, str):
        return None
    return "".join(c for c in given[:_TEXT] if c.isprintable()).strip() or None


def failure(kind: str, status: object = None) -> dict[str, Any]:
    """What failed, by the name of the error and the answer's status if it is known: what is the provider's fault is not
    held against the agent."""
    if isinstance(status, int) and 100 <= status <= 999:
        return {"status": status, "error_type": kind}
    return {"status": next((code for word, code in _FAULTS if word in kind.lower()), 0), "error_type": kind}


def _names(given: object) -> list[str] | None:
    if isinstance(given, str) or not isinstance(given, Iterable):
        return None
    return [name for one in given if (name := name_of(one)) is not None][:_NAMES]


def _id(given: object) -> str | None:
    """Ids are sent as they are or not at all: a changed one would be another's."""
    return given if isinstance(given, str) and 0 < len(given) <= _TEXT and given.isprintable() else None


def _flag(given: object) -> bool | None:
    return given if isinstance(given, bool) else None


def _whole(most: int) -> Callable[[object], int | None]:
    def read(given: object) -> int | None:
        number = _number(most)(given)
        return None if number is None else int(number)

    return read


def _number(most: float) -> Callable[[object], float | None]:
    def read(given: object) -> float | None:
        if not isinstance(given, int | float) or (isinstance(given, float) and math.isnan(given)):
            return None
        return min(max(given, 0), most)

    return read


_READ: Mapping[str, Callable[[object], Any]] = {
    **dict.fromkeys(("agent_id", "request_id", "prompt_hash", "tools_hash", "conversation"), _id),
    **dict.fromkeys(("name", "dialect", "provider", "model", "error_type", "finish_reason"), name_of),
    **dict.fromkeys(("stream", "usage_estimated"), _flag),
    **dict.fromkeys(("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"), _whole(_TOKENS)),
    **dict.fromkeys(("tool_calls", "tool_errors", "denied_calls", "repeated_calls", "retries", "turn"), _whole(_COUNT)),
    **dict.fromkeys(("latency_ms", "ttft_ms"), _number(10**9)),
    "status": _whole(999),
    "time": _number(10**11),
    "cost_usd": _number(10**6),
    "tool_names": _names,
}
