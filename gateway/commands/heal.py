"""`leuko heal`: treat an agent that is in quarantine now, whatever its approval waits for."""

from typing import Annotated, Any

import typer

from gateway.commands.session import Output, Session, quoted

_AGENTS = ("agent_id", "state", "since", "cause", "remedies", "approval", "incident_id")
_LOG = ("at", "agent_id", "action", "outcome", "incident_id")
_LATEST = 20


def heal(
    session: Session,
    agent: Annotated[
        str | None,
        typer.Argument(help="The agent to treat; without one, those under treatment are listed."),
    ] = None,
    end: Annotated[bool, typer.Option("--end", help="Take away the remedies that are in force for the agent.")] = False,
    all: Annotated[bool, typer.Option("--all", help="All agents in quarantine that nobody holds there.")] = False,
) -> None:
    """Begin to heal an agent now; one that an operator stopped as well."""
    if all and agent is not None:
        raise typer.BadParameter("give an agent or --all, not both")
    if end and agent is None:
        raise typer.BadParameter("--end takes an agent")
    if all:
        session.show(
            session.client.ask("POST", "/heal-all")["items"], ("agent_id", "healing", "state", "reason", "incident_id")
        )
    elif agent is not None and end:
        remedies = session.client.ask("GET", f"/agents/{quoted(agent)}")["remedies"]
        session.client.ask("DELETE", f"/healing/{quoted(agent)}")
        session.done(f"ended {', '.join(remedies)}" if remedies else f"there was no remedy for {agent}")
    elif agent is not None:
        session.show_one(session.client.ask("POST", f"/agents/{quoted(agent)}/heal"))
    else:
        _list(session, session.client.ask("GET", "/healing", params={"limit": _LATEST}))


def _list(session: Session, found: dict[str, Any]) -> None:
    if session.output is Output.JSON:
        session.show_one(found)
        return
    session.show(found["agents"], _AGENTS)
    if found["items"]:
        print("\nlatest treatments")
        session.show(found["items"], _LOG)
