"""`leuko intent`: what agents declare that they will do, and whether a token proves it."""

import base64
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands.agents import Limit
from gateway.commands.session import DENIED, Session, given, group, quoted

_COLUMNS = ("intent_id", "status", "agent_id", "goal", "expires_at", "steps")

IntentId = Annotated[str, typer.Argument(help="An intent's id, int_….", metavar="INTENT")]
AgentKey = Annotated[
    str | None, typer.Option("--agent-key", envvar="GATEWAY_AGENT_KEY", help="The agent that asks, by its key.")
]


def plan(
    session: Session,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Goal and steps, as YAML or JSON.")],
    agent_key: AgentKey = None,
    ttl_seconds: Annotated[int | None, typer.Option(min=1, help="How long the intent is to live.")] = None,
    as_person: Annotated[
        bool, typer.Option("--as-person", help="Send the admin key along: a person declares it.")
    ] = False,
    as_session: Annotated[str | None, typer.Option("--session", help="The conversation it is asked from.")] = None,
) -> None:
    """Have the steps of a plan judged, and get the token; exit code 3 if some step is denied or waits for a person."""
    body = {**_read(file), **given(ttl_seconds=ttl_seconds)}
    client = session.as_agent(_key(agent_key), as_person=as_person)
    answer = client.ask("POST", "/intents", body=body, headers=given(**{"x-agent-session": as_session}))
    session.show_one({name: member for name, member in answer.items() if name != "decisions"})
    if "approval_id" in answer:
        from gateway.commands.client import Failure

        raise Failure(f"a person has to approve it: leuko approvals approve {answer['approval_id']}", DENIED)


def show(
    session: Session,
    intent: Annotated[str | None, typer.Argument(help="An intent's id, int_…; all of them if left out.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only those of this agent.")] = None,
    limit: Limit = 100,
) -> None:
    """What agents have declared, the newest first; or all that is known of one."""
    if intent is not None:
        session.show_one(session.client.ask("GET", f"/intents/{quoted(intent)}"))
        return
    items = session.client.items("/intents", limit, given(agent_id=agent))
    session.show([{**item, "steps": [_told(step) for step in item["steps"]]} for item in items], _COLUMNS)


def revoke(session: Session, intent: IntentId) -> None:
    """Refuse an intent from now on, everywhere, and all that was narrowed from it."""
    answer = session.client.ask("DELETE", f"/intents/{quoted(intent)}")
    waiting = f"; not said yet by {', '.join(answer['pending'])}" if answer else ""
    session.done(f"revoked {intent}{waiting}")


def verify(
    session: Session,
    token: Annotated[str, typer.Argument(help="An intent or a call token; - reads it from the input.")],
    issuer: Annotated[
        str | None, typer.Option(help="Whose token it has to be.", show_default="as in the settings")
    ] = None,
) -> None:
    """Check a token against the gateway's public keys, and what became of its intent; exit code 3 if it is not good."""
    from gateway.commands.client import Failure
    from gateway.intents.claims import TokenProblem

    text = sys.stdin.read().strip() if token == "-" else token
    wanted = issuer or session.settings.deployment
    try:
        said = _verified(session, text, wanted)
    except TokenProblem as problem:
        raise Failure(str(problem), DENIED) from None
    session.show_one(said)
    if said.get("status", "active") != "active":
        raise Failure(f"the intent is {said['status']}", DENIED)


def _verified(session: Session, token: str, issuer: str) -> dict[str, Any]:
    """What a good token says. Raises TokenProblem, Failure."""
    from gateway.commands.client import Failure
    from gateway.intents.payload import of_call, of_intent
    from gateway.intents.tokens import Verifier, stated_audience

    ring = _ring(session.client.public_keys())
    verifier = Verifier(lambda: ring, issuer, issuer)
    now = time.time_ns() / 1e9
    audience = stated_audience(token)
    if audience not in ("", issuer):
        return of_call(verifier.call(token, now, audience), issuer)
    claims = verifier.intent(token, now)
    try:
        status = session.client.ask("GET", f"/intents/{quoted(claims.jti)}")["status"]
    except Failure as failure:
        if failure.status != 404:
            raise
        status = "unknown"
    return {"status": status, **of_intent(claims, issuer, issuer)}


def _ring(jwks: Any) -> Any:
    """The public keys, in the form that verifies. The first one is current."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from gateway.intents.keyring import Key, KeyRing

    keys: list[Key] = []
    for member in jwks["keys"]:
        public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(member["x"] + "="))
        keys.append(Key(member["kid"], None, public, "next" if keys else "current"))
    return KeyRing(keys)


def _read(file: Path) -> dict[str, Any]:
    from gateway.commands.client import Failure
    from gateway.settings import SettingsError, read_yaml

    try:
        found = read_yaml(file)
    except SettingsError as error:
        raise Failure("; ".join(error.problems), 2) from None
    if not isinstance(found, dict):
        raise Failure(f"{file}: is no mapping with `goal` and `steps`", 2)
    return found


def _key(shown: str | None) -> str:
    from gateway.commands.client import Failure

    if shown is None:
        raise Failure("no agent key: give --agent-key or GATEWAY_AGENT_KEY", 2)
    return shown


def _told(step: dict[str, Any]) -> str:
    return f"{step['tool']} {step['used']}/{step['max_uses']}"


def commands() -> typer.Typer:
    verbs = (("plan", plan), ("show", show), ("revoke", revoke), ("verify", verify))
    return group("intent", "What agents declare that they will do.", verbs)
