"""Turns the spans that an instrumented agent makes anyway into vitals. Needs `opentelemetry-sdk`.

    provider = TracerProvider()
    provider.add_span_processor(ImmuneSpanProcessor(ImmuneReporter("http://127.0.0.1:4000", "igk_…")))

What a sampler leaves out is not seen here either.
"""

import functools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from gateway.sdk import otel_attributes as read
from gateway.sdk.reporter import ImmuneReporter

_OPEN = 10_000
"""Spans that are remembered while they last; the oldest is forgotten first."""
_HELD_SECONDS = 5.0


@dataclass(slots=True)
class _Run:
    """What happened below an open span: the latest exchange, held back so that the calls its answer made can be
    counted into it; calls that no exchange came before; results that failed, which the next exchange is told."""

    held: dict[str, Any] | None = None
    since: float = 0.0
    names: list[str] = field(default_factory=list)
    errors: int = 0
    reported: bool = False


class ImmuneSpanProcessor(SpanProcessor):
    """Reports `chat`, `text_completion`, `generate_content` and `embeddings` spans; an `invoke_agent` span only where
    none of these was below it: its usage is theirs. `execute_tool` spans count into the exchange before them below the
    same agent, or the one they are in; their failures into the one after, which is told the results.

    Whose an exchange is, the reporter's `agent` says; without one `gen_ai.agent.name` or `.id` of the span or of those
    it is in, else the service's name. The conversation is `gen_ai.conversation.id`, else the trace.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, reporter: ImmuneReporter, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._reporter = reporter
        self._clock = clock
        self._begin()
        reporter.gather(self._release_old)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=functools.partial(_begin_again, weakref.ref(self)))

    def _begin(self) -> None:
        self._open: dict[int, Span] = {}
        self._runs: dict[int, _Run] = {}
        self._lock = threading.RLock()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        with self._lock:
            if len(self._open) >= _OPEN:
                oldest = next(iter(self._open))
                del self._open[oldest]
                self._end(oldest)
            self._open[span.context.span_id] = span

    def on_end(self, span: ReadableSpan) -> None:
        context = span.context
        if context is None:
            return
        with self._lock:
            self._open.pop(context.span_id, None)
            try:
                if span.kind is not SpanKind.SERVER:
                    self._count(span, context.span_id)
            except Exception:  # spans are made by whom we do not know, and must never fail for being measured
                self._reporter.lose(1, "a span could not be read")
            self._end(context.span_id)

    def shutdown(self) -> None:
        """The reporter stays open."""
        self.force_flush(5_000)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        with self._lock:
            for run in self._runs.values():
                self._release(run)
        return self._reporter.flush(timeout_millis / 1000.0)

    def _count(self, span: ReadableSpan, span_id: int) -> None:
        attributes = span.attributes or {}
        kind = read.kind_of(attributes)
        own = self._runs.get(span_id) or _Run()
        if kind == "tool":
            self._count_tool(span, attributes)
        elif kind is not None and own.reported:
            self._run_above(span, mark=True)
        elif kind == "exchange" or (kind == "agent" and read.used_tokens(attributes)):
            self._count_exchange(span, attributes, own)

    def _count_tool(self, span: ReadableSpan, attributes: Mapping[str, Any]) -> None:
        if any(read.kind_of(above.attributes or {}) == "tool" for above in self._above(span)):
            return  # as a tool it was counted once, whatever it is made of
        run = self._run_above(span)
        if run is not None:
            run.names.append(read.tool_of(attributes, span.name))
            run.errors += read.is_failed(attributes, span.status.status_code is StatusCode.ERROR)
            if run.held is not None:
                _add_calls(run.held, run.names)
                run.names = []

    def _count_exchange(self, span: ReadableSpan, attributes: Mapping[str, Any], own: _Run) -> None:
        vitals = self._vitals(span, attributes)
        _add_calls(vitals, own.names)
        vitals["tool_errors"] = own.errors
        own.names, own.errors = [], 0
        run = self._run_above(span, mark=True)
        if run is None:
            self._reporter.report(**vitals)
            return
        self._release(run)
        _add_calls(vitals, run.names)
        vitals["tool_errors"] += run.errors
        run.names, run.errors = [], 0
        run.held, run.since = vitals, self._clock()

    def _vitals(self, span: ReadableSpan, attributes: Mapping[str, Any]) -> dict[str, Any]:
        started, ended = span.start_time or 0, span.end_time or 0
        failed = span.status.status_code is StatusCode.ERROR
        vitals = read.vitals_of(attributes, seconds=(ended - started) / 1e9, failed=failed)
        vitals["time"] = ended / 1e9
        conversation, agent = read.conversation_of(attributes), read.agent_of(attributes)
        for above in self._above(span):
            conversation = conversation or read.conversation_of(above.attributes or {})
            agent = agent or read.agent_of(above.attributes or {})
        vitals["conversation"] = conversation or f"{span.context.trace_id:032x}"
        if self._reporter.names_needed:
            vitals |= agent or {"name": str(span.resource.attributes.get("service.name", "unknown_service"))}
        return vitals

    def _above(self, span: ReadableSpan) -> Iterator[Span]:
        """The open spans that this one is in, the nearest first."""
        parent = span.parent
        while parent is not None and (above := self._open.get(parent.span_id)) is not None:
            yield above
            parent = above.parent

    def _run_above(self, span: ReadableSpan, *, mark: bool = False) -> _Run | None:
        """Of the agent or exchange that it is in, else of the outermost span. With `mark`, an exchange below was or
        will be reported."""
        host = None
        for host in self._above(span):
            if read.kind_of(host.attributes or {}) in ("agent", "exchange"):
                break
        if host is None:
            return None
        run = self._runs.setdefault(host.context.span_id, _Run())
        run.reported = run.reported or mark
        return run

    def _end(self, span_id: int) -> None:
        run = self._runs.pop(span_id, None)
        if run is not None:
            self._release(run)

    def _release(self, run: _Run) -> None:
        held, run.held = run.held, None
        if held is not None:
            self._reporter.report(**held)

    def _release_old(self) -> None:
        """A call may take minutes; what came before it is wanted sooner."""
        with self._lock:
            for run in self._runs.values():
                if self._clock() - run.since >= _HELD_SECONDS:
                    self._release(run)


def _add_calls(vitals: dict[str, Any], names: list[str]) -> None:
    if names:
        vitals["tool_names"] = [*vitals.get("tool_names", ()), *names]
        vitals["tool_calls"] = len(vitals["tool_names"])


def _begin_again(processor: "weakref.ref[ImmuneSpanProcessor]") -> None:
    """In a forked process: what was held is the parent's to report, and nobody is there to open the lock."""
    found = processor()
    if found is not None:
        found._begin()
