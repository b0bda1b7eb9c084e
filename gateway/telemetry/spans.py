"""What the spans of one recorded exchange say: a SERVER span for the caller's request and, if a provider was asked, a
CLIENT span below it for the model's work.

They are made when the exchange is over, with the ids that travelled ahead, so that an exchange nobody records costs
nothing here. Token usage stands on the CLIENT span only: sums over a trace would count it twice. Never any text of
prompts, arguments or answers.
"""

from collections.abc import Callable, Iterator
from itertools import chain

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.status import Status, StatusCode
from opentelemetry.util.types import AttributeValue

from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.vitals import Vitals
from gateway.telemetry import names
from gateway.telemetry.redaction import Redaction
from gateway.telemetry.routes import operation_of, route_of
from gateway.telemetry.trace_context import Trace

Attributes = dict[str, AttributeValue]

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_LONGEST = 512


class Spans:
    """Makes the spans.

    Args:
        resource: who emits them.
        version: of the gateway.
        redaction: applied to text that came from outside.
    """

    def __init__(self, resource: Resource, version: str, redaction: Redaction) -> None:
        self._resource = resource
        self._scope = InstrumentationScope(names.SCOPE, version, names.SCHEMA_URL)
        self._redaction = redaction

    def of(
        self, exchange: Exchange, trace: Trace, vitals: Vitals | None, started: int, ended: int
    ) -> list[ReadableSpan]:
        """The spans of an exchange that ran from `started` to `ended`, nanoseconds since the epoch."""
        tracestate = TraceState.from_header([trace.tracestate]) if trace.tracestate else TraceState()
        own = SpanContext(trace.trace_id, trace.span_id, False, _SAMPLED, tracestate)
        parent = SpanContext(trace.trace_id, trace.parent_id, True, _SAMPLED, tracestate) if trace.parent_id else None
        server = self._span(
            self._clean(_server_name(exchange, trace)),
            own,
            parent,
            SpanKind.SERVER,
            self._server(exchange, trace, vitals),
            list(_decisions(exchange, ended)),
            _server_status(exchange, trace),
            (started, ended),
            [Link(SpanContext(*trace.ambient, True))] if trace.ambient is not None else [],
        )
        if trace.sent_at is None or vitals is None or not exchange.dispatched:
            return [server]
        asked = started + round((trace.sent_at - exchange.started) * 1e9)
        client = self._span(
            self._clean(_client_name(exchange, trace)),
            SpanContext(trace.trace_id, trace.client_id, False, _SAMPLED, tracestate),
            own,
            SpanKind.CLIENT,
            self._client(exchange, trace, vitals) if exchange.mcp is None else self._mcp_client(exchange, trace),
            list(self._calls(exchange, ended)),
            Status(StatusCode.ERROR if _provider_failed(exchange) or _failed(trace) else StatusCode.UNSET),
            (asked, ended),
        )
        return [server, client]

    def _span(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Attributes,
        events: list[Event],
        status: Status,
        times: tuple[int, int],
        links: list[Link] | None = None,
    ) -> ReadableSpan:
        return ReadableSpan(
            name,
            context=context,
            parent=parent,
            resource=self._resource,
            attributes=attributes,
            events=events,
            links=links or (),
            kind=kind,
            status=status,
            start_time=times[0],
            end_time=times[1],
            instrumentation_scope=self._scope,
        )

    def _server(self, exchange: Exchange, trace: Trace, vitals: Vitals | None) -> Attributes:
        request, agent, failure = exchange.request, exchange.agent, exchange.failure
        found: Attributes = {
            names.METHOD: request.method,
            names.ROUTE: route_of(exchange.route),
            names.PATH: self._clean(request.path),
            names.STATUS: exchange.status,
            names.REQUEST_ID: exchange.id,
            names.DECISION: "deny" if isinstance(failure, Refusal) and not exchange.dispatched else "allow",
        }
        if agent is not None:
            found |= {names.AGENT_ID: agent.agent_id, names.VERIFIED: agent.verified}
            found |= _given({names.AGENT_NAME: agent.name, names.TEAM: agent.owner_team}, self._clean)
        if vitals is not None:
            found |= _given({names.CONVERSATION: vitals.conversation}, self._clean)
            found |= {} if vitals.turn is None else {names.TURN: vitals.turn}
        if exchange.intent is not None:
            found[names.INTENT_ID] = exchange.intent.jti
        error = error_type(exchange)
        if trace.operation is not None:
            found |= trace.operation.attributes(self._clean)
            error = error or trace.operation.error
        if error is not None:
            found[names.ERROR_TYPE] = error
        return found

    def _mcp_client(self, exchange: Exchange, trace: Trace) -> Attributes:
        """Of a span around an MCP server, whatever it was asked for."""
        found: Attributes = {names.METHOD: exchange.request.method, names.STATUS: exchange.status}
        operation = trace.operation
        if operation is not None:
            found = operation.attributes(self._clean)
            found |= {names.SERVER_ADDRESS: operation.address, names.SERVER_PORT: operation.port}
        if exchange.intent is not None:
            found[names.INTENT_ID] = exchange.intent.jti
        if _provider_failed(exchange) or _failed(trace):
            found[names.ERROR_TYPE] = (operation and operation.error) or error_type(exchange) or "_OTHER"
        return found

    def _calls(self, exchange: Exchange, at: int) -> Iterator[Event]:
        """The calls that a model proposes."""
        answer = exchange.answer
        for call in () if answer is None else chain.from_iterable(answer.calls.values()):
            named = {names.TOOL_NAME: call.name, names.TOOL_CALL_ID: call.id}
            yield Event(names.TOOL_CALL_EVENT, _given(named, self._clean), at)

    def _client(self, exchange: Exchange, trace: Trace, vitals: Vitals) -> Attributes:
        ask, answer = exchange.ask, exchange.answer
        found: Attributes = {
            names.OPERATION: operation_of(exchange.route),
            names.PROVIDER: names.PROVIDERS.get(exchange.provider or "", exchange.provider or ""),
            names.STREAM: exchange.streaming,
        }
        named = {names.REQUEST_MODEL: exchange.model, names.CONVERSATION: vitals.conversation}
        if answer is not None:
            named |= {names.RESPONSE_MODEL: answer.model, names.RESPONSE_ID: answer.id}
        if exchange.route.dialect != "messages":  # OpenAI's own names for what only its dialects have
            named |= _tiers(exchange)
        found |= _given(named, self._clean)
        if ask is not None and ask.max_output_tokens is not None:
            found[names.MAX_TOKENS] = ask.max_output_tokens
        if vitals.finish_reason is not None:
            found[names.FINISH_REASONS] = (self._clean(vitals.finish_reason),)
        first = exchange.first_content_at or exchange.first_byte_at
        if exchange.streaming and first is not None and trace.sent_at is not None:
            found[names.TIME_TO_FIRST_CHUNK] = first - trace.sent_at
        if answer is not None:
            found |= _usage(vitals)
        if _provider_failed(exchange):
            found[names.ERROR_TYPE] = error_type(exchange) or "_OTHER"
        return found

    def _clean(self, text: str) -> str:
        return self._redaction(text[:_LONGEST]).encode("utf-8", "replace").decode()


def error_type(exchange: Exchange) -> str | None:
    """Why it did not end well: a refusal's code, `client_gone`, the provider's status, or None."""
    failure = exchange.failure
    if failure is not None:
        return failure.code if isinstance(failure, Refusal) else "client_gone"
    return str(exchange.status) if exchange.status >= 400 else None


def _usage(vitals: Vitals) -> Attributes:
    """As `gen_ai.usage.*` only what the provider said; an estimate is never passed off as that."""
    found: Attributes = {} if vitals.cost_usd is None else {names.COST: vitals.cost_usd}
    if vitals.usage_estimated:
        return found | {names.USAGE_ESTIMATED: True}
    return found | {
        names.USAGE_INPUT: vitals.input_tokens,
        names.USAGE_OUTPUT: vitals.output_tokens,
        names.USAGE_CACHED: vitals.cached_tokens,
        names.USAGE_REASONING: vitals.reasoning_tokens,
    }


def _tiers(exchange: Exchange) -> dict[str, str | None]:
    asked = None if exchange.ask is None else exchange.ask.document.get("service_tier")
    return {
        names.REQUEST_TIER: asked if isinstance(asked, str) else None,
        names.RESPONSE_TIER: None if exchange.answer is None else exchange.answer.service_tier,
    }


def _given(values: dict[str, str | None], clean: Callable[[str], str]) -> Attributes:
    return {name: clean(value) for name, value in values.items() if value}


def _decisions(exchange: Exchange, at: int) -> Iterator[Event]:
    """What the gateway refused: the request, or calls in the answer. Rules are named, reasons are for the caller."""
    failure = exchange.failure
    if isinstance(failure, Refusal) and not failure.code.startswith("upstream_"):
        yield Event(names.DECISION_EVENT, {names.DECISION: "deny", names.RULE: failure.code}, at)
    for denial in exchange.denied:
        yield Event(names.DECISION_EVENT, {names.DECISION: "deny", names.RULE: denial.rule}, at)


def _provider_failed(exchange: Exchange) -> bool:
    failure = exchange.failure
    if isinstance(failure, Refusal):
        return failure.code.startswith("upstream_")
    return failure is None and exchange.status >= 400


def _server_status(exchange: Exchange, trace: Trace) -> Status:
    """A server's span is an error only if the server is at fault: 5xx, not 4xx; of MCP also if its answer is one."""
    return Status(StatusCode.ERROR if exchange.status >= 500 or _failed(trace) else StatusCode.UNSET)


def _failed(trace: Trace) -> bool:
    """Whether an MCP message was answered by an error."""
    return trace.operation is not None and trace.operation.error is not None


def _server_name(exchange: Exchange, trace: Trace) -> str:
    operation = trace.operation
    return operation.name if operation is not None else f"{exchange.request.method} {route_of(exchange.route)}"


def _client_name(exchange: Exchange, trace: Trace) -> str:
    """As the conventions have it: of MCP messages, of HTTP where there are several or none, of models."""
    if trace.operation is not None:
        return trace.operation.name
    if exchange.mcp is not None:
        return exchange.request.method
    return f"{operation_of(exchange.route)} {exchange.model or ''}".rstrip()
