"""presenting, for MCP: which intent calls are made under, by the token in the head or the body."""

from gateway.model.exchange import Exchange
from gateway.phases.mcp.state import state_of
from gateway.phases.presenting import IntentRefused, Presenting
from gateway.wire.mcp import REFUSED, MCPRefusal


class PresentingCalls:
    """A gate before the calls are judged."""

    def __init__(self, presenting: Presenting) -> None:
        self._presenting = presenting

    def gate(self, exchange: Exchange) -> None:
        """Set `exchange.intent`. Raises MCPRefusal 403 with the reason, and Refusal `state_unavailable`."""
        token = state_of(exchange).intent
        if token is None:
            return
        try:
            exchange.intent = self._presenting.read(token.encode("utf-8", "surrogatepass"), exchange.agent)
        except IntentRefused as refused:
            raise MCPRefusal(
                REFUSED, refused.message, code=refused.code, status=refused.status, reason=refused.word
            ) from None
