"""W3C trace context, and which traces are recorded. Pure; https://www.w3.org/TR/trace-context/ (version 00)."""

import re
from collections.abc import Callable, Mapping

from gateway.telemetry.operation import Operation

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_LOW_64 = (1 << 64) - 1
DEFAULT_RATIO = 0.05


class Trace:
    """One exchange's place in a trace.

    `parent_id` and `parent_flags` are what the caller sent, 0 and None if nothing usable came; `span_id` is the
    gateway's own span, `client_id` the one around the provider. `sent_at` is when the provider was asked, monotonic
    seconds. `tracestate` came with the parent. `ambient` is the trace and span of the HTTP request where its message
    is part of another trace; `operation` is what an MCP message asks for.
    """

    __slots__ = (
        "ambient", "client_id", "observed", "operation", "parent_flags", "parent_id", "recorded", "request_id",
        "sent_at", "span_id", "trace_id", "tracestate",
    )  # fmt: skip

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.trace_id = 0
        self.parent_id = 0
        self.parent_flags: int | None = None
        self.span_id = 0
        self.client_id = 0
        self.recorded = False
        self.observed = False
        self.sent_at: float | None = None
        self.tracestate: str | None = None
        self.ambient: tuple[int, int] | None = None
        self.operation: Operation | None = None

    @property
    def traceparent(self) -> bytes:
        """What the provider gets, so that its spans hang below ours."""
        return b"00-%032x-%016x-%02x" % (self.trace_id, self.client_id, int(self.recorded))


def read_traceparent(value: bytes) -> tuple[int, int, int] | None:
    """Trace id, parent id and flags of a header; None for what the specification says to ignore."""
    found = _TRACEPARENT.fullmatch(value)
    if found is None or found[1] == b"ff" or (found[1] == b"00" and found[5] is not None):
        return None
    trace_id, parent_id = int(found[2], 16), int(found[3], 16)
    return (trace_id, parent_id, int(found[4], 16)) if trace_id and parent_id else None


class Sampler:
    """Decides which traces are recorded, by `OTEL_TRACES_SAMPLER`.

    A caller's decision counts in the `parentbased_*` samplers, and an unset one is `parentbased_traceidratio` of 0.05.
    Anybody can send a `traceparent` that asks to be recorded, so at most `forced` a second are for that reason alone;
    of the others the ratio decides.

    Args:
        env: the process's environment.
        clock: monotonic seconds.
    """

    def __init__(self, env: Mapping[str, str], clock: Callable[[], float], *, forced: int = 50) -> None:
        name = env.get("OTEL_TRACES_SAMPLER", "").strip().lower() or "parentbased_traceidratio"
        self.follows_parent = name.startswith("parentbased_")
        unset = 1.0 if "OTEL_TRACES_SAMPLER" in env else DEFAULT_RATIO
        self.ratio = _ratio(name.removeprefix("parentbased_"), env.get("OTEL_TRACES_SAMPLER_ARG"), unset)
        self._bound = int(self.ratio * (1 << 64))
        self._clock = clock
        self._forced = forced
        self._room = float(forced)
        self._filled_at = clock()

    def records(self, trace: Trace) -> bool:
        """Whether this trace's spans are exported."""
        chosen = trace.trace_id & _LOW_64 < self._bound
        if trace.parent_flags is None or not self.follows_parent:
            return chosen
        return bool(trace.parent_flags & 1) and (chosen or self._may_be_forced())

    def _may_be_forced(self) -> bool:
        now = self._clock()
        self._room = min(self._forced, self._room + (now - self._filled_at) * self._forced)
        self._filled_at = now
        if self._room < 1:
            return False
        self._room -= 1
        return True


def _ratio(name: str, argument: str | None, unset: float) -> float:
    if name in ("always_on", "always_off"):
        return float(name == "always_on")
    try:
        return unset if argument is None else min(1.0, max(0.0, float(argument)))
    except ValueError:
        return DEFAULT_RATIO
