"""rewrite, for MCP: takes out the calls that were not let through, and what is said to the gateway or in its name."""

from gateway.model.exchange import Exchange
from gateway.phases.mcp.state import MCPState, state_of
from gateway.wire.mcp_messages import Body, with_meta, write_body


class RewriteMCP:
    """Sets `forwarded`, and a new body only where it must differ from the one received."""

    def __call__(self, exchange: Exchange) -> None:
        state = state_of(exchange)
        if state.body is not None:
            _rewrite(exchange, state, state.body)


def _rewrite(exchange: Exchange, state: MCPState, body: Body) -> None:
    kept = [message for message in body.messages if not (message.is_request and message.id in state.answers)]
    state.forwarded = tuple([with_meta(message, state.added.get(message.id, {})) for message in kept])  # type: ignore
    same = len(kept) == len(body.messages)
    if same and all(new is old for new, old in zip(state.forwarded, kept, strict=True)):
        return
    exchange.body = write_body(state.forwarded, batch=body.batch) if kept else b""
    exchange.changed = True
