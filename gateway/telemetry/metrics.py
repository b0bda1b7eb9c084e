"""What is measured of every exchange, and the bound on each label.

Runs for each request, so the series that exchanges of one kind touch are found with one look-up and kept together.
Models, methods and agents come from callers: only names that a provider has answered to become labels, and only so
many.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gateway.model.errors import CODES, Refusal
from gateway.model.exchange import Exchange
from gateway.model.vitals import Vitals
from gateway.telemetry import names
from gateway.telemetry.instruments import Cell, Counter, Distribution, Histogram, Instrument, Observed, Reading
from gateway.telemetry.mcp_metrics import MCPMetrics
from gateway.telemetry.operation import Operation
from gateway.telemetry.routes import method_of, operation_of, route_of
from gateway.telemetry.spans import error_type
from gateway.telemetry.top_agents import AgentTotals, TopAgents
from gateway.telemetry.trace_context import Trace

OTHER = "other"
_MODELS = 50
_LONGEST_MODEL = 100
_KINDS = 4_000

# Advised by the conventions where they name a metric.
_DURATION = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_SERVER = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 120, 300)
_OVERHEAD = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)
_TOKENS = tuple(float(4**n) for n in range(14))

_LIMITS = ("rate_limit_exceeded", "budget_exceeded", "overloaded")
_ALLOWED = "none"
_DEGRADED = b"x-gateway-degraded"


class _Asked(NamedTuple):
    """The series of exchanges of one kind that reached a provider."""

    duration: Distribution
    first_chunk: Distribution
    input_size: Distribution
    output_size: Distribution
    input: Cell
    output: Cell
    cached: Cell
    reasoning: Cell
    cost: Cell


class Metrics:
    """The data plane's instruments. `active` counts the exchanges under way."""

    def __init__(self, agents: TopAgents) -> None:
        self.active = 0
        self._folded = 0
        self._agents = agents
        self._mcp = MCPMetrics()
        self._models: set[str] = set()
        self._served: dict[tuple[str, str | None, int], Distribution] = {}
        self._asked: dict[tuple[str | None, str | None, str, str | None], _Asked] = {}
        self._server = Histogram(
            names.SERVER_DURATION, "s", "From a request's head to the end of its answer.", bounds=_SERVER
        )
        self._overhead = Histogram(
            names.OVERHEAD,
            "s",
            "From a request's head until the provider is asked; reading the body included.",
            bounds=_OVERHEAD,
        )
        self._duration = Histogram(
            names.OPERATION_DURATION, "s", "From asking a provider to the end of its answer.", bounds=_DURATION
        )
        self._first = Histogram(
            names.TIME_TO_FIRST, "s", "From asking a provider to the first content of its stream.", bounds=_DURATION
        )
        self._sizes = Histogram(
            names.TOKEN_USAGE, "{token}", "Tokens of one answer as its provider counted them.", bounds=_TOKENS
        )
        self._decisions = Counter(names.DECISIONS, "{decision}", "Requests let through or refused, by reason.")
        self._limits = Counter(names.LIMIT_REJECTIONS, "{request}", "Requests refused because a limit was reached.")
        self._tokens = Counter(names.TOKENS, "{token}", "Tokens used, estimates included.")
        self._cost = Counter(names.COST_TOTAL, "{usd}", "Cost in US dollars, where the model has a price.")
        self._calls = Counter(
            names.TOOL_CALLS, "{call}", "Tool calls of models and to MCP servers, by what was decided."
        )
        self._degraded = Counter(
            names.DEGRADED_EXCHANGES, "{exchange}", "Exchanges served while something was missing.", limit=20
        )
        self._prepare()

    def _prepare(self) -> None:
        """Series whose absence could be taken for zero exist from the start, so that the first event is an increase."""
        self._waited = self._overhead.child({})
        self._let_through = self._decisions.child({"decision": "allow", "reason": _ALLOWED})
        self._refused = {
            code: self._decisions.child({"decision": "deny", "reason": code})
            for code in CODES
            if not code.startswith("upstream_")
        }
        self._limited = {code: self._limits.child({"limit": code}) for code in _LIMITS}
        self._called = self._calls.child({"decision": "allow"})
        self._withheld = self._calls.child({"decision": "deny"})
        for what in ("redis", "audit"):
            self._degraded.child({"what": what})

    def instruments(self) -> Iterable[Instrument]:
        yield from (self._server, self._overhead, self._duration, self._first, self._sizes)
        yield from (self._decisions, self._limits, self._tokens, self._cost, self._calls, self._degraded)
        yield from self._mcp.instruments()
        yield Observed(names.ACTIVE, "gauge", "{request}", "Exchanges under way.", lambda: [({}, self.active)])
        yield Observed(
            names.FOLDED,
            "counter",
            "{exchange}",
            "Answered exchanges counted as `other` because there are too many models.",
            lambda: [({}, self._folded)],
        )
        for name, unit, what in (
            (names.AGENT_REQUESTS, "{request}", "requests"),
            (names.AGENT_TOKENS, "{token}", "tokens"),
            (names.AGENT_COST, "{usd}", "cost_usd"),
        ):
            about = f"The busiest agents' {what}; `other` is all the rest."
            yield Observed(name, "counter", unit, about, _PerAgent(self._agents, what))

    def observe(self, exchange: Exchange, trace: Trace, vitals: Vitals | None, now: float) -> None:
        """Count an exchange that is over. `vitals` is None if nobody was identified; `now` as `exchange.started`."""
        self._serve(exchange, now)
        self._decide(exchange)
        if len(exchange.own_headers) > 1:
            self._degrade(exchange)
        if trace.operation is not None:
            self._operate(exchange, trace, trace.operation, now)
        if vitals is None:
            return
        tokens = vitals.input_tokens + vitals.output_tokens
        self._agents.count(vitals.agent_id, tokens, vitals.cost_usd or 0.0)
        if trace.sent_at is not None and exchange.dispatched:
            self._waited.record(trace.sent_at - exchange.started)
            if exchange.mcp is None:
                self._ask(exchange, trace.sent_at, vitals, now)
        if vitals.tool_calls:
            self._called.value += max(0, vitals.tool_calls - vitals.denied_calls)
            self._withheld.value += vitals.denied_calls

    def _operate(self, exchange: Exchange, trace: Trace, operation: Operation, now: float) -> None:
        asked = now - trace.sent_at if trace.sent_at is not None and exchange.dispatched else None
        self._mcp.observe(operation, error_type(exchange), now - exchange.started, asked)

    def _serve(self, exchange: Exchange, now: float) -> None:
        key = exchange.request.method, exchange.route.dialect, exchange.status
        series = self._served.get(key)
        if series is None:
            series = self._server.child(
                {
                    names.METHOD: method_of(exchange.request.method),
                    names.ROUTE: route_of(exchange.route),
                    names.STATUS: str(exchange.status or 499),
                }
            )
            if len(self._served) < _KINDS:
                self._served[key] = series
        series.record(now - exchange.started)

    def _decide(self, exchange: Exchange) -> None:
        failure = exchange.failure
        cell = self._refused.get(failure.code) if isinstance(failure, Refusal) else None
        if cell is None:
            self._let_through.value += 1
            return
        cell.value += 1
        assert isinstance(failure, Refusal)
        if failure.code in self._limited:
            self._limited[failure.code].value += 1

    def _degrade(self, exchange: Exchange) -> None:
        for name, value in exchange.own_headers:
            if name == _DEGRADED:
                for what in value.decode("latin-1").split(","):
                    self._degraded.child({"what": what.strip()}).value += 1

    def _ask(self, exchange: Exchange, sent_at: float, vitals: Vitals, now: float) -> None:
        error = None if exchange.failure is None and exchange.status < 400 else error_type(exchange)
        key = exchange.route.dialect, exchange.provider, self._model(exchange.model, exchange.status), error
        series = self._asked.get(key)
        if series is None:
            series = self._new_asked(exchange, *key[1:])
            if len(self._asked) < _KINDS:
                self._asked[key] = series
        series.duration.record(now - sent_at)
        if exchange.streaming and exchange.first_byte_at is not None:
            series.first_chunk.record((exchange.first_content_at or exchange.first_byte_at) - sent_at)
        if vitals.output_tokens or vitals.input_tokens:
            if not vitals.usage_estimated:
                series.input_size.record(vitals.input_tokens)
                series.output_size.record(vitals.output_tokens)
            series.input.value += vitals.input_tokens
            series.output.value += vitals.output_tokens
            series.cached.value += vitals.cached_tokens
            series.reasoning.value += vitals.reasoning_tokens
            series.cost.value += vitals.cost_usd or 0.0

    def _new_asked(self, exchange: Exchange, provider: str | None, model: str, error: str | None) -> _Asked:
        name = provider or ""
        used = {"model": model, "provider": name}
        attributes = {
            names.OPERATION: operation_of(exchange.route),
            names.PROVIDER: names.PROVIDERS.get(name, name),
            names.REQUEST_MODEL: model,
        }
        return _Asked(
            self._duration.child(attributes if error is None else {**attributes, names.ERROR_TYPE: error}),
            self._first.child(attributes),
            self._sizes.child({**attributes, names.TOKEN_TYPE: "input"}),
            self._sizes.child({**attributes, names.TOKEN_TYPE: "output"}),
            self._tokens.child({**used, "type": "input"}),
            self._tokens.child({**used, "type": "output"}),
            self._tokens.child({**used, "type": "cached"}),
            self._tokens.child({**used, "type": "reasoning"}),
            self._cost.child(used),
        )

    def _model(self, model: str | None, status: int) -> str:
        """The label of a model: known, or new and answered to by a provider; everything else is `other`."""
        if model is None:
            return ""
        if model in self._models:
            return model
        if not 200 <= status < 300:
            return OTHER
        if len(self._models) >= _MODELS or len(model) > _LONGEST_MODEL:
            self._folded += 1
            return OTHER
        self._models.add(model)
        return model


class _PerAgent:
    """One column of the busiest agents' totals."""

    def __init__(self, agents: TopAgents, what: str) -> None:
        self._agents = agents
        self._what = what

    def __call__(self) -> Reading:
        return list(self._read())

    def _read(self) -> Iterator[tuple[dict[str, str], float]]:
        totals: AgentTotals
        for agent_id, totals in self._agents.totals():
            yield {"agent": agent_id}, getattr(totals, self._what)
