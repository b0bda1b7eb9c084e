"""`leuko keys`: what agents prove themselves with, and the keys that sign tokens."""

from typing import Annotated

import typer

from gateway.commands.agents import AgentId
from gateway.commands.session import Session, given, group, quoted


def list_keys(session: Session, agent: AgentId) -> None:
    """An agent's keys; never the keys themselves."""
    items = session.client.ask("GET", f"/agents/{quoted(agent)}/keys")["items"]
    session.show(items, ("key_id", "created_at", "expires_at"))


def create(
    session: Session,
    agent: AgentId,
    expires_at: Annotated[str | None, typer.Option(help="When it ends: 2027-01-31T00:00:00Z.")] = None,
    replaces: Annotated[str | None, typer.Option(help="The key it replaces, by its id.")] = None,
    grace_seconds: Annotated[int | None, typer.Option(min=0, help="How long the replaced one still counts.")] = None,
) -> None:
    """Make a key; it is shown this one time."""
    body = given(expires_at=expires_at, replaces=replaces, grace_seconds=grace_seconds)
    session.show_one(session.client.ask("POST", f"/agents/{quoted(agent)}/keys", body=body))


def revoke(
    session: Session,
    agent: AgentId,
    key_id: Annotated[str, typer.Argument(help="The id, agk_….", metavar="KEY")],
) -> None:
    """Refuse a key from now on, everywhere, and cut its open streams."""
    path = f"/agents/{quoted(agent)}/keys"
    there = any(one["key_id"] == key_id for one in session.client.ask("GET", path)["items"])
    session.client.ask("DELETE", f"{path}/{quoted(key_id)}")
    session.done(f"revoked {key_id}" if there else f"there was no key {key_id} of {agent}")


def rotate(session: Session) -> None:
    """Sign intent and call tokens with the next key from now on; the old one verifies as long as its tokens live."""
    session.show(session.client.ask("POST", "/signing-keys/rotate")["items"], ("kid", "state", "until"))


def commands() -> typer.Typer:
    verbs = (("list", list_keys), ("create", create), ("revoke", revoke), ("rotate", rotate))
    return group("keys", "What agents prove themselves with, and what signs tokens.", verbs)
