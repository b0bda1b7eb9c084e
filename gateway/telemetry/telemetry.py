"""Everything one process tells about itself: what the pipeline calls, and what is exported.

Fails open: nothing here may stop, delay or change an exchange, but for the trace context its provider gets.
"""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.model.exchange import Exchange
from gateway.model.headers import Headers
from gateway.model.vitals import Vitals
from gateway.telemetry import logs, otlp
from gateway.telemetry.exposition import exposition
from gateway.telemetry.instruments import Family, Instrument
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.operation import Operation
from gateway.telemetry.redaction import Redaction
from gateway.telemetry.siblings import Siblings, directory_of
from gateway.telemetry.spans import Spans
from gateway.telemetry.top_agents import TopAgents
from gateway.telemetry.trace_context import Sampler, Trace
from gateway.telemetry.tracing import Tracing

_GOODBYE_SECONDS = 3.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What telemetry takes from the process: its environment, clocks (seconds), random bits, number as a worker."""

    env: Mapping[str, str]
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    bits: Callable[[int], int]
    version: str
    worker: int = 0
    secrets: tuple[str, ...] = field(default=(), repr=False)


class Telemetry:
    """Called at an exchange's beginning, before its provider is asked, and at its end.

    Args:
        propagate: whether providers get trace context.
        observed: numbers that others keep, to be exported too.
    """

    def __init__(self, around: Surroundings, *, propagate: bool, observed: Iterable[Instrument] = ()) -> None:
        self._around = around
        self._clock = around.clock
        self._resource = otlp.resource_of(around.env, around.version)
        self._processor = otlp.span_processor(around.env) if otlp.wants(around.env, "traces") else None
        self._tracing = Tracing(
            self._processor,
            Spans(self._resource, around.version, Redaction(around.secrets)),
            Sampler(around.env, around.clock),
            propagate=propagate,
            bits=around.bits,
            clock=around.clock,
            wall_clock=around.wall_clock,
        )
        self._metrics = Metrics(TopAgents(around.clock))
        self._instruments = [*self._metrics.instruments(), *observed]
        self._siblings = Siblings(directory_of(around.env), around.worker, self.collect)

    # What the pipeline calls

    def begin(self, exchange: Exchange) -> None:
        self._metrics.active += 1
        trace = exchange.span = self._tracing.begin(exchange)
        logs.CURRENT.set(trace)

    def operate(
        self, exchange: Exchange, operation: Operation, traceparent: str | None, tracestate: str | None
    ) -> None:
        """The MCP message of an exchange was read, with the trace context in it."""
        trace: Trace = exchange.span
        trace.operation = operation
        if traceparent is not None:
            self._tracing.adopt(trace, traceparent, tracestate)

    def onward(self, exchange: Exchange) -> dict[str, str]:
        """The trace context of a message that goes on; empty where the gateway has no part in it."""
        return self._tracing.onward(exchange.span)

    def outgoing(self, exchange: Exchange, headers: Headers) -> Headers:
        """The headers for the provider, which is asked next."""
        trace: Trace = exchange.span
        trace.sent_at = self._clock()
        return self._tracing.outgoing(trace, headers)

    def observe(self, exchange: Exchange, vitals: Vitals) -> None:
        """The exchange of a known agent is over."""
        self._end(exchange, vitals)

    def over(self, exchange: Exchange) -> None:
        """Any exchange is over, after `observe` if that is called."""
        self._metrics.active -= 1
        if not exchange.span.observed:
            self._end(exchange, None)

    def _end(self, exchange: Exchange, vitals: Vitals | None) -> None:
        trace: Trace = exchange.span
        trace.observed = True
        self._metrics.observe(exchange, trace, vitals, self._clock())
        if trace.recorded:
            self._tracing.end(exchange, trace, vitals)

    # What is exported

    def add(self, instruments: Iterable[Instrument]) -> None:
        """Export these too."""
        self._instruments.extend(instruments)

    def collect(self) -> Sequence[Family]:
        """Every metric of this process, as it is now."""
        families = []
        for instrument in self._instruments:
            try:
                families.append(instrument.family())
            except Exception:  # broad: a number that cannot be had must not hide all the others
                log.exception("%s cannot be read", instrument.name)
        return families

    async def scrape(self) -> str:
        """Every metric of this process and its siblings, for Prometheus."""
        return exposition(await self._siblings.everyone())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Export for the length of the block; a collector that hangs delays its end by three seconds."""
        around, closers = self._around, []
        if self._processor is not None:
            closers.append(self._processor.shutdown)
        if otlp.wants(around.env, "metrics"):
            sender = otlp.MetricSender(self.collect, self._resource, around.version, around.env, around.wall_clock)
            closers.append(sender.shutdown)
        async with self._siblings.answering():
            try:
                yield
            finally:
                otlp.shut_down(closers, _GOODBYE_SECONDS, self._clock)
