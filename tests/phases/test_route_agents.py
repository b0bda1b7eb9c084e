"""An operator's choice of the provider."""

from types import SimpleNamespace

from gateway.model.agent import Agent
from gateway.phases.route_agents import RouteAgents


def test_an_agent_goes_where_it_is_sent() -> None:
    gate = RouteAgents({"agt_1": "mine"}.get)
    for agent, routed in ((Agent("agt_1"), "mine"), (Agent("agt_2"), None), (None, "before")):
        exchange = SimpleNamespace(agent=agent, routed="before")
        gate(exchange)  # type: ignore[arg-type]
        assert exchange.routed == routed
