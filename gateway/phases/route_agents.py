"""Sends an agent's requests where an operator wants them; asked once the agent is known for good."""

from collections.abc import Callable

from gateway.model.exchange import Exchange


class RouteAgents:
    """A gate that refuses nothing: it sets `exchange.routed`.

    Args:
        provider_of: the provider chosen for an agent, None where nobody chose; in memory.
    """

    def __init__(self, provider_of: Callable[[str], str | None]) -> None:
        self._provider_of = provider_of

    def __call__(self, exchange: Exchange) -> None:
        if exchange.agent is not None:
            exchange.routed = self._provider_of(exchange.agent.agent_id)
