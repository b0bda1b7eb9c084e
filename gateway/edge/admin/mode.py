"""`/mode`: the operational mode of the deployment, or of a part of it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, Strict, StringConstraints
from starlette.requests import Request

from gateway.edge.admin.access import needs, principal
from gateway.edge.admin.agents import unknown_agent
from gateway.edge.admin.problems import Problem, invalid
from gateway.edge.admin.quarantine import WITHIN
from gateway.edge.admin.shapes import Body, Text, Timestamp, rfc3339
from gateway.model.audit import AuditEntry
from gateway.policy.document import Document
from gateway.store.control import Control
from gateway.store.modes import EVERYONE, Modes, SetMode, TooManyModes

_LONGEST = 30 * 86_400
_SCOPE = r"^(everyone|(agent|team|environment|policy):[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,200})$"

ModesByPolicy = Callable[[], Mapping[str, Sequence[str]]]
"""The modes of each policy document in force that has some, by the document's name; the start mode first."""


class NewMode(Body):
    """`scope`: `agent:ID`, `team:NAME`, `environment:NAME`, `policy:NAME`, or everyone. `mode` null: the start mode
    counts again. Without `ttl_seconds` it stays until it is changed."""

    mode: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")] | None
    scope: Annotated[str, StringConstraints(pattern=_SCOPE)] = EVERYONE
    reason: Text
    ttl_seconds: Annotated[float, Strict(), Field(gt=0, le=_LONGEST)] | None = None


class ShownMode(BaseModel):
    scope: str
    mode: str | None
    reason: str
    by: str
    since: Timestamp
    expires_at: Timestamp | None


class ModeList(BaseModel):
    """`mode` is everyone's, null where none is set: each document is in its start mode then, the first that `policies`
    has of it. Of the scopes the most specific counts: agent, team, environment, policy, everyone."""

    mode: str | None
    items: list[ShownMode]
    policies: dict[str, list[str]]
    next_cursor: None = None


class ChangedMode(ShownMode):
    """`policies`: those in force that have the mode. `pending`: the replicas that have not confirmed."""

    policies: list[str]
    epoch: int
    pending: list[str]


def router(
    modes: Modes,
    control: Control,
    known: ModesByPolicy,
    is_agent: Callable[[str], Awaitable[bool]],
    *,
    note: Callable[[AuditEntry], None],
    notify: Callable[[str, dict[str, Any]], None],
) -> APIRouter:
    """Read at each decision on every replica.

    Args:
        is_agent: raises StoreUnavailable.
        note: writes a line more into the audit record.
        notify: tells whoever watches the events.
    """
    routes = APIRouter(tags=["mode"])

    @routes.get("/mode", response_model=ModeList, dependencies=[needs("viewer")])
    async def get_mode() -> dict[str, Any]:
        """What is set now; answered without Redis too."""
        everyone = modes.get(EVERYONE)
        return {
            "mode": None if everyone is None else everyone.mode,
            "items": [_shown(found) for found in modes.all()],
            "policies": {name: list(found) for name, found in known().items()},
        }

    @routes.put(
        "/mode",
        response_model=ChangedMode,
        dependencies=[needs("operator")],
        responses={202: {"model": ChangedMode}, 404: {}, 409: {}},
    )
    async def set_mode(body: NewMode, request: Request, response: Response) -> dict[str, Any]:
        """200: every live replica decides by it from now on. 202: those in `pending` have not said so."""
        documents = known()
        meant = _checked(body, documents)
        kind, _, named = body.scope.partition(":")
        if kind == "agent" and body.mode is not None and not await is_agent(named):
            raise unknown_agent(named)
        by = principal(request).key_id
        try:
            found, epoch = await modes.set(
                body.mode, scope=body.scope, reason=body.reason, by=by, ttl_seconds=body.ttl_seconds
            )
        except TooManyModes as error:
            raise Problem(409, str(error)) from None
        note(_entry(found, body.ttl_seconds))
        notify("mode", {"scope": found.scope, "mode": found.mode, "by": by})
        pending = await control.acknowledged(epoch, WITHIN)
        response.status_code = 202 if pending else 200
        return {**_shown(found), "policies": meant, "epoch": epoch, "pending": pending}

    return routes


def _checked(body: NewMode, documents: Mapping[str, Sequence[str]]) -> list[str]:
    """The documents in the scope that have the mode. Raises Problem 422 for a mode that none has: it would do nothing,
    and whoever sets it should know."""
    if body.mode is None:
        return []
    kind, _, named = body.scope.partition(":")
    meant = {name: found for name, found in documents.items() if kind != "policy" or name == named}
    if documents and not meant:
        raise invalid("body.scope", f"no policy {named} has modes; those that have some: {', '.join(documents)}")
    return having(body.mode, meant)


def modes_of(documents: Iterable[Document]) -> dict[str, list[str]]:
    """The modes of each that has some."""
    return {one.name: [mode.name for mode in one.clauses.modes] for one in documents if one.clauses.modes}


def having(mode: str, documents: Mapping[str, Sequence[str]]) -> list[str]:
    """Those that have the mode. Raises Problem 422 where none has."""
    found = [name for name, modes in documents.items() if mode in modes]
    if not found:
        allowed = ", ".join(sorted({one for modes in documents.values() for one in modes}))
        raise invalid("body.mode", f"{mode} is a mode of no policy that is meant; allowed: {allowed or 'none'}")
    return found


def _entry(found: SetMode, ttl_seconds: float | None) -> AuditEntry:
    return AuditEntry(
        found.since,
        "admin",
        "set:mode",
        f"admin:{found.by}",
        resource=found.scope,
        reason=found.reason,
        mode=found.mode,
        result="success",
        metadata={} if ttl_seconds is None else {"ttl_seconds": ttl_seconds},
    )


def _shown(found: SetMode) -> dict[str, Any]:
    return {
        "scope": found.scope,
        "mode": found.mode,
        "reason": found.reason,
        "by": found.by,
        "since": rfc3339(found.since),
        "expires_at": None if found.until is None else rfc3339(found.until),
    }
