"""`leuko routes`: which provider an agent's requests go to."""

from typing import Annotated

import typer

from gateway.commands.agents import AgentId, Limit
from gateway.commands.session import Session, group, quoted

_ALL = 1_000_000


def list_routes(session: Session, limit: Limit = 100) -> None:
    """The agents that are sent somewhere."""
    session.show(session.client.items("/routes", limit), ("agent_id", "provider"))


def create(
    session: Session, agent: AgentId, provider: Annotated[str, typer.Argument(help="A provider's name.")]
) -> None:
    """Send an agent's requests to one provider, whatever the model."""
    body = {"agent_id": agent, "provider": provider}
    session.show_one(session.client.ask("POST", "/routes", body=body))


def delete(session: Session, agent: AgentId) -> None:
    """Let an agent's requests go where any other's do."""
    routed = any(one["agent_id"] == agent for one in session.client.items("/routes", _ALL))
    session.client.ask("DELETE", f"/routes/{quoted(agent)}")
    named = f"route of {agent}"
    session.done(f"deleted the {named}" if routed else f"there was no {named}")


def commands() -> typer.Typer:
    verbs = (("list", list_routes), ("create", create), ("delete", delete))
    return group("routes", "Which provider an agent's requests go to.", verbs)
