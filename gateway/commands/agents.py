"""`leuko agents`: who calls, what is known of them, and what they did."""

from typing import Annotated

import typer

from gateway.commands.session import Session, given, group, quoted

AgentId = Annotated[str, typer.Argument(help="An agent's id, agt_….", metavar="AGENT")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")]
Team = Annotated[str | None, typer.Option("--owner-team", help="Whose it is.")]
Environment = Annotated[str | None, typer.Option("--environment", help="Where it runs.")]

_COLUMNS = (
    "agent_id",
    "name",
    "verified",
    "state",
    "deviation",
    "active",
    "client",
    "last_seen",
    "requests",
    "cost_usd",
)
_VITALS = (
    "time",
    "provider",
    "model",
    "status",
    "error_type",
    "latency_ms",
    "input_tokens",
    "output_tokens",
    "cost_usd",
)


def list_agents(session: Session, limit: Limit = 100) -> None:
    """The agents, the latest made first."""
    session.show(session.client.items("/agents", limit), _COLUMNS)


def show(session: Session, agent: AgentId) -> None:
    """All that is known of one agent."""
    session.show_one(session.client.ask("GET", f"/agents/{quoted(agent)}"))


def create(
    session: Session,
    name: Annotated[str, typer.Argument(help="How people call it.")],
    owner_team: Team = None,
    environment: Environment = None,
) -> None:
    """Make an agent that will prove who it is with a key."""
    body = given(name=name, owner_team=owner_team, environment=environment)
    session.show_one(session.client.ask("POST", "/agents", body=body))


def update(
    session: Session,
    agent: AgentId,
    name: Annotated[str | None, typer.Option(help="How people call it.")] = None,
    owner_team: Team = None,
    environment: Environment = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="An inactive one is refused.")] = None,
) -> None:
    """Change what is given, leave the rest."""
    body = given(name=name, owner_team=owner_team, environment=environment, active=active)
    if not body:
        raise typer.BadParameter("give at least one of --name, --owner-team, --environment, --active, --inactive")
    session.show_one(session.client.ask("PATCH", f"/agents/{quoted(agent)}", body=body))


def delete(session: Session, agent: AgentId) -> None:
    """Revoke its keys and forget it."""
    there = session.client.there(f"/agents/{quoted(agent)}")
    session.client.ask("DELETE", f"/agents/{quoted(agent)}")
    session.deleted(agent, "agent", there=there)


def merge(session: Session, agent: AgentId, into: Annotated[str, typer.Argument(help="The agent that stays.")]) -> None:
    """Say that two agents are one."""
    session.show_one(session.client.ask("POST", f"/agents/{quoted(agent)}/merge", body={"into": into}))


def split(session: Session, agent: AgentId) -> None:
    """Undo merges, or take what looks like this agent for several more readily."""
    session.show_one(session.client.ask("POST", f"/agents/{quoted(agent)}/split"))


def vitals(session: Session, agent: AgentId, limit: Limit = 20) -> None:
    """Its latest exchanges."""
    session.show(session.client.items(f"/agents/{quoted(agent)}/vitals", limit), _VITALS)


def commands() -> typer.Typer:
    return group(
        "agents",
        "Who calls, and what they did.",
        (
            ("list", list_agents),
            ("show", show),
            ("create", create),
            ("update", update),
            ("delete", delete),
            ("merge", merge),
            ("split", split),
            ("vitals", vitals),
        ),
    )
