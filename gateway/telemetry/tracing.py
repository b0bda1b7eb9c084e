"""Puts every exchange into a trace: joins the caller's, passes it on to the provider, and has recorded ones exported.

Without an exporter the caller's trace context travels on untouched, as through any party that takes no part.
"""

from collections.abc import Callable
from typing import Protocol

from opentelemetry.sdk.trace import ReadableSpan

from gateway.model.exchange import Exchange
from gateway.model.headers import Headers
from gateway.model.vitals import Vitals
from gateway.telemetry.spans import Spans
from gateway.telemetry.trace_context import Sampler, Trace, read_traceparent

_TRACEPARENT = b"traceparent"
_TRACESTATE = b"tracestate"
_DROPPED = (_TRACEPARENT, _TRACESTATE)


class SpanSink(Protocol):
    """Takes finished spans and never waits: the SDK's batch processor."""

    def on_end(self, span: ReadableSpan) -> None: ...


class Tracing:
    """Trace context in and out, and spans at the end.

    Args:
        sink: where recorded spans go; None if nobody wants them.
        propagate: whether providers get trace context.
        bits: random bits, for ids.
        clock: monotonic seconds. wall_clock: seconds since the epoch.
    """

    def __init__(
        self,
        sink: SpanSink | None,
        spans: Spans,
        sampler: Sampler,
        *,
        propagate: bool,
        bits: Callable[[int], int],
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._sink = sink
        self._spans = spans
        self._sampler = sampler
        self._propagate = propagate
        self._bits = bits
        self._clock = clock
        self._wall_clock = wall_clock

    def begin(self, exchange: Exchange) -> Trace:
        """The exchange's trace: the caller's if it sent one that can be read."""
        trace = Trace(exchange.id)
        sent = exchange.request.fields.get(_TRACEPARENT)
        if sent is not None and (found := read_traceparent(sent)) is not None:
            trace.trace_id, trace.parent_id, trace.parent_flags = found
            trace.tracestate = exchange.request.header(_TRACESTATE)
        elif self._sink is not None:
            trace.trace_id = self._bits(128) or 1
        self._sample(trace)
        return trace

    def adopt(self, trace: Trace, traceparent: str, tracestate: str | None) -> None:
        """Let the exchange be part of the trace that its message names, if that can be read."""
        found = read_traceparent(traceparent.encode("utf-8", "replace"))
        if found is None:
            return
        if trace.parent_id:
            trace.ambient = trace.trace_id, trace.parent_id
        trace.trace_id, trace.parent_id, trace.parent_flags = found
        trace.tracestate = tracestate
        self._sample(trace)

    def onward(self, trace: Trace) -> dict[str, str]:
        """What the message says of the trace to whom it goes on to; empty where the gateway has no part in that."""
        if not trace.recorded or not self._propagate:
            return {}
        trace.client_id = self._bits(64) or 1
        state = {} if trace.tracestate is None else {"tracestate": trace.tracestate}
        return {"traceparent": trace.traceparent.decode(), **state}

    def _sample(self, trace: Trace) -> None:
        trace.recorded = self._sink is not None and self._sampler.records(trace)
        if trace.recorded:
            trace.span_id = self._bits(64) or 1

    def outgoing(self, trace: Trace, headers: Headers) -> Headers:
        """The provider's request headers, with this trace in them where the gateway has a part in it."""
        if self._sink is None or not self._propagate or (trace.parent_id and not trace.recorded):
            return headers
        trace.client_id = trace.client_id or self._bits(64) or 1
        if not trace.parent_id:  # what the caller sent, if anything, cannot be read: the trace begins here
            headers = [pair for pair in headers if pair[0] not in _DROPPED]
        else:
            headers = [pair for pair in headers if pair[0] != _TRACEPARENT]
        headers.append((_TRACEPARENT, trace.traceparent))
        return headers

    def end(self, exchange: Exchange, trace: Trace, vitals: Vitals | None) -> None:
        """Hand over the spans of a recorded exchange."""
        if not trace.recorded or self._sink is None:
            return
        if not trace.client_id:
            trace.client_id = self._bits(64) or 1
        offset = self._wall_clock() - self._clock()
        started, ended = round((offset + exchange.started) * 1e9), round((offset + self._clock()) * 1e9)
        for span in self._spans.of(exchange, trace, vitals, started, ended):
            self._sink.on_end(span)
