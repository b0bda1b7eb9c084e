"""tracing, for MCP: what a message asks for and which trace it is part of, as it says itself (SEP-414).

A message that came alone only: what is told of several in one HTTP request is told of that request.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from gateway.model.exchange import Exchange
from gateway.phases.mcp.state import MCPState, state_of
from gateway.telemetry.operation import Operation
from gateway.wire.mcp_agreement import VERSION
from gateway.wire.mcp_messages import Message


class Tracer(Protocol):
    """What is told of messages (`telemetry.Telemetry`)."""

    def operate(
        self, exchange: Exchange, operation: Operation, traceparent: str | None, tracestate: str | None
    ) -> None: ...

    def onward(self, exchange: Exchange) -> dict[str, str]: ...


class TracedMessages:
    """Two gates: `read` before anything is decided, `pass_on` after that."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def read(self, exchange: Exchange) -> None:
        """Tell what is asked for."""
        state = state_of(exchange)
        message = _alone(state)
        if message is None or message.method is None:
            return
        endpoint, version = state.server.provider.endpoint, exchange.request.header(VERSION)
        operation = state.operation = Operation(
            message.method,
            message.params,
            message.id,
            server=(state.server.name, endpoint.host, endpoint.port),
            session=state.session,
            version=version,
        )
        meta = message.meta
        self._tracer.operate(exchange, operation, _text(meta, "traceparent"), _text(meta, "tracestate"))
        state.observers.append(operation.answered)

    def pass_on(self, exchange: Exchange) -> None:
        """Let the server's spans hang below the gateway's."""
        state = state_of(exchange)
        message, operation = _alone(state), state.operation
        if message is None or operation is None:
            return
        if message.id is None:
            return
        answer = state.answers.get(message.id)
        if answer is not None:
            operation.answered(answer)
            return
        context = self._tracer.onward(exchange)
        if context:
            state.added.setdefault(message.id, {}).update(context)


def _alone(state: MCPState) -> Message | None:
    return None if state.body is None or state.body.batch else state.body.messages[0]


def _text(meta: Mapping[str, Any], name: str) -> str | None:
    value = meta.get(name)
    return value if type(value) is str else None
