"""`leuko quarantine` and `leuko release`: stop an agent at once, and let it go on."""

from typing import Annotated

import typer

from gateway.commands.agents import AgentId
from gateway.commands.session import Session, quoted


def quarantine(
    session: Session,
    agent: Annotated[
        str | None, typer.Argument(help="The agent to stop; without one, those stopped are listed.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", "-r", help="Why; the agent is told.")] = None,
    drain_seconds: Annotated[int, typer.Option(min=0, help="Let open answers go on for so long.")] = 0,
) -> None:
    """Stop an agent, on every replica: when this is done, none forwards anything of it."""
    if agent is None:
        page = session.client.ask("GET", "/quarantine")
        session.show(page["items"], ("agent_id", "state", "since", "reason", "incident_id"))
        return
    if reason is None:
        raise typer.BadParameter("give a --reason")
    body = {"reason": reason, "drain_seconds": drain_seconds}
    session.show_one(session.client.ask("POST", f"/quarantine/{quoted(agent)}", body=body))


def release(
    session: Session,
    agent: AgentId,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the agent's history.")],
) -> None:
    """Let an agent go on, on probation."""
    session.show_one(session.client.ask("DELETE", f"/quarantine/{quoted(agent)}", body={"reason": reason}))
