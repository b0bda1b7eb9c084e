"""`leuko tools`: the tools of MCP servers, and the operator's word for those that changed."""

from typing import Annotated, Literal

import typer

from gateway.commands.agents import Limit
from gateway.commands.session import Session, given, group, quoted

_COLUMNS = ("server", "tool", "state", "changed", "findings", "problem", "seen_definition", "changed_at", "approved_by")
_APPROVED = ("server", "tool", "state", "pinned_definition", "changes", "pending")

Server = Annotated[str, typer.Argument(help="The server's name in the settings.", metavar="SERVER")]
Tool = Annotated[str, typer.Argument(help="The tool's name.", metavar="TOOL")]


def list_tools(
    session: Session,
    server: Annotated[str | None, typer.Option(help="Those of one server.")] = None,
    state: Annotated[
        Literal["pinned", "new", "changed", "seen"] | None, typer.Option(help="Those that are so.")
    ] = None,
    limit: Limit = 100,
) -> None:
    """What servers offer, and what of it has changed since it was pinned."""
    params = {"server": server, "state": state}
    items = session.client.items("/tools", limit, params)
    session.show([{**one, "changed": [change["member"] for change in one["changes"]]} for one in items], _COLUMNS)


def approve(
    session: Session,
    server: Server,
    tool: Tool,
    definition: Annotated[
        str | None, typer.Option(help="The seen_definition that was looked at: refused if there is another by now.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", "-r", help="Why; kept in the audit record.")] = None,
) -> None:
    """Let a tool be used as its server lists it now."""
    body = given(definition=definition, reason=reason)
    session.show([session.client.ask("POST", f"/tools/{quoted(server)}/{quoted(tool)}/approve", body=body)], _APPROVED)


def commands() -> typer.Typer:
    verbs = (("list", list_tools), ("approve", approve))
    return group("tools", "Tools of MCP servers.", verbs)
