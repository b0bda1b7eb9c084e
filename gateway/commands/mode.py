"""`leuko mode`: the operational mode of the deployment, or of a part of it."""

import re
from typing import Annotated

import typer

from gateway.commands.session import Output, Session, given, group

_COLUMNS = ("scope", "mode", "expires_at", "since", "by", "reason")
_DURATION = re.compile(r"([0-9]{1,7})([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}

Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the audit record.")]
Scope = Annotated[
    str,
    typer.Option(help="agent:ID, team:NAME, environment:NAME, policy:NAME, or everyone; the most specific counts."),
]


def _seconds(text: str | None) -> str | None:
    """As a number in a text: an option has one type before it is read and after."""
    if text is None:
        return None
    found = _DURATION.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a duration such as 90s, 30m, 4h or 1d")
    return str(int(found[1]) * _UNITS[found[2]])


def get(session: Session) -> None:
    """What is set, and which modes the policies in force have; the first of each is its start mode."""
    found = session.client.ask("GET", "/mode")
    if session.output is Output.JSON:
        session.show_one(found)
        return
    session.show(found["items"], _COLUMNS)
    if found["policies"]:
        print()
        session.show(
            [{"policy": name, "modes": modes} for name, modes in found["policies"].items()], ("policy", "modes")
        )


def set_mode(
    session: Session,
    mode: Annotated[str, typer.Argument(help="A mode that a policy in force has.")],
    reason: Reason,
    scope: Scope = "everyone",
    ttl: Annotated[
        str | None,
        typer.Option("--ttl", help="How long, such as 30m; then the start mode counts again.", callback=_seconds),
    ] = None,
) -> None:
    """Have every decision from now on made in this mode."""
    body = given(mode=mode, scope=scope, reason=reason, ttl_seconds=None if ttl is None else float(ttl))
    session.show_one(session.client.ask("PUT", "/mode", body=body))


def clear(session: Session, reason: Reason, scope: Scope = "everyone") -> None:
    """Let the start modes of a scope's policies count again."""
    session.show_one(session.client.ask("PUT", "/mode", body={"mode": None, "scope": scope, "reason": reason}))


def commands() -> typer.Typer:
    verbs = (("get", get), ("set", set_mode), ("clear", clear))
    return group("mode", "The operational mode of the deployment, or of a part of it.", verbs)
