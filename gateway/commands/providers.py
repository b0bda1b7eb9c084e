"""`leuko providers`: where requests can go."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands.provider_health import told
from gateway.commands.session import Output, Session, group, quoted

_COLUMNS = ("name", "url", "dialect", "models", "has_key", "source", "health")
Name = Annotated[str, typer.Argument(help="How it is called: a-z, 0-9, _ and -.")]


def list_providers(session: Session) -> None:
    """All of them, those of the settings too, and how their calls went within five minutes."""
    items = session.client.ask("GET", "/providers")["items"]
    if session.output is Output.TABLE:
        items = [{**one, "health": told(one)} for one in items]
    session.show(items, _COLUMNS)


def create(
    session: Session,
    name: Name,
    address: Annotated[str, typer.Argument(help="https://host, perhaps with a port and a path.", metavar="URL")],
    dialect: Annotated[str, typer.Option(help="openai, azure or anthropic.")] = "openai",
    model: Annotated[
        list[str] | None, typer.Option("--model", help="A model it serves; may hold *. Repeatable.")
    ] = None,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            allow_dash=True, help="A file with its key, - for the standard input: arguments can be seen by all."
        ),
    ] = None,
) -> None:
    """Make a provider, on every worker."""
    body: dict[str, Any] = {"name": name, "url": address, "dialect": dialect, "models": model or []}
    if api_key_file is not None:
        try:
            body["api_key"] = (
                sys.stdin.read() if str(api_key_file) == "-" else api_key_file.read_text("utf-8")
            ).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise typer.BadParameter(f"{api_key_file}: cannot be read: {error}") from None
    session.show_one(session.client.ask("POST", "/providers", body=body))


def delete(session: Session, name: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Delete one that was made over the API."""
    there = any(one["name"] == name for one in session.client.ask("GET", "/providers")["items"])
    session.client.ask("DELETE", f"/providers/{quoted(name)}")
    session.deleted(name, "provider", there=there)


def commands() -> typer.Typer:
    verbs = (("list", list_providers), ("create", create), ("delete", delete))
    return group("providers", "Where requests can go.", verbs)
