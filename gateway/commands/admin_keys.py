"""`leuko admin-keys`: what people and programs open the admin API with, each with a role."""

from enum import StrEnum
from typing import Annotated

import typer

from gateway.commands.session import Session, given, group, quoted


class Role(StrEnum):
    """What a key may do: look; act on agents, too; change policies, keys and providers, too."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


def list_admin_keys(session: Session) -> None:
    """Every key but the one of the settings; never the keys themselves."""
    items = session.client.ask("GET", "/admin-keys")["items"]
    session.show(items, ("key_id", "role", "name", "created_at", "expires_at"))


def create(
    session: Session,
    role: Annotated[Role, typer.Option(help="What it may do.")],
    name: Annotated[str | None, typer.Option(help="Whose it is.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="When it ends: 2027-01-31T00:00:00Z.")] = None,
) -> None:
    """Make a key; it is shown this one time."""
    body = given(role=role, name=name, expires_at=expires_at)
    session.show_one(session.client.ask("POST", "/admin-keys", body=body))


def revoke(
    session: Session,
    key_id: Annotated[str, typer.Argument(help="The id, adk_….", metavar="KEY")],
) -> None:
    """Refuse a key from now on, everywhere."""
    there = any(one["key_id"] == key_id for one in session.client.ask("GET", "/admin-keys")["items"])
    session.client.ask("DELETE", f"/admin-keys/{quoted(key_id)}")
    session.done(f"revoked {key_id}" if there else f"there was no key {key_id}")


def commands() -> typer.Typer:
    verbs = (("list", list_admin_keys), ("create", create), ("revoke", revoke))
    return group("admin-keys", "What opens the admin API beside the key of the settings.", verbs)
