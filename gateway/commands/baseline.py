"""`leuko baseline`: what is usual of an agent, and that what it does now is the new normal."""

from typing import Annotated

import typer

from gateway.commands.agents import AgentId
from gateway.commands.session import Output, Session, quoted

_COLUMNS = ("model", "voice", "metric", "calls", "warm", "usual", "low", "high", "deviation")
_CAPS = ("model", "output_tokens", "seconds", "tool_calls")
_LISTS = ("metrics", "caps")


def baseline(
    session: Session,
    agent: AgentId,
    accept: Annotated[
        bool, typer.Option("--accept", help="Learn anew: what the agent does from now on is its normal.")
    ] = False,
) -> None:
    """What an agent's exchanges usually are, and what its answers are cut at."""
    if accept:
        said = session.client.ask("POST", f"/agents/{quoted(agent)}/baseline/accept")
        session.done(f"{said['agent_id']}: " + ("accepted" if said["accepted"] else "will be accepted in a moment"))
        return
    found = session.client.ask("GET", f"/agents/{quoted(agent)}/baseline")
    if session.output is Output.JSON:
        session.show_one(found)
        return
    session.show_one({name: member for name, member in found.items() if name not in _LISTS})
    for name, columns in zip(_LISTS, (_COLUMNS, _CAPS), strict=True):
        if found[name]:
            print()
            session.show(found[name], columns)
