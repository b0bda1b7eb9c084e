"""rewrite, for MCP: takes out the calls that were not let through, and what is said to the gateway or in its name."""

from collections.abc import Mapping
from typing import Any

from gateway.model.exchange import Exchange
from gateway.phases.mcp.rounds import is_own
from gateway.phases.mcp.state import MCPState, state_of
from gateway.wire.mcp_messages import TRACE_KEYS, Body, Message, with_meta, write_body


class RewriteMCP:
    """Sets `forwarded`, and a new body only where it must differ from the one received.

    Args:
        propagate_trace: whether servers get trace context.
    """

    def __init__(self, *, propagate_trace: bool = True) -> None:
        self._left_out = frozenset() if propagate_trace else TRACE_KEYS

    def __call__(self, exchange: Exchange) -> None:
        state = state_of(exchange)
        if state.body is not None:
            _rewrite(exchange, state, state.body, self._left_out)


def _rewrite(exchange: Exchange, state: MCPState, body: Body, left_out: frozenset[str]) -> None:
    kept = [message for message in body.messages if not (message.is_request and message.id in state.answers)]
    state.forwarded = tuple([_with_theirs(state, with_meta(one, _added(state, one), left_out)) for one in kept])
    same = len(kept) == len(body.messages)
    if same and all(new is old for new, old in zip(state.forwarded, kept, strict=True)):
        return
    exchange.body = write_body(state.forwarded, batch=body.batch) if kept else b""
    exchange.changed = True


def _added(state: MCPState, message: Message) -> Mapping[str, Any]:
    """What the gateway says to the server of this message."""
    return state.added.get(message.id, {}) if message.id is not None and message.is_request else {}


def _with_theirs(state: MCPState, message: Message) -> Message:
    """The message with the server's own `requestState`, and without the gateway's. One that was sealed for another call
    or tampered with stays as it is: the server refuses what it never said."""
    known = state.rounds.get(message.id) if message.id is not None else None
    if known is None and not is_own(message.params.get("requestState")):
        return message
    left_out = ("requestState", "inputResponses") if known is None else ("requestState",)
    params = {name: one for name, one in message.params.items() if name not in left_out}
    if known is not None and known.state is not None:
        params["requestState"] = known.state
    return Message({**message.document, "params": params}, message.method, message.id, params)
