"""`/tools`: the tools of MCP servers, as they may be used and as the servers list them now."""

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, StringConstraints
from starlette.requests import Request

from gateway.edge.admin.access import needs, principal
from gateway.edge.admin.problems import Problem, invalid
from gateway.edge.admin.quarantine import WITHIN
from gateway.edge.admin.shapes import Body, Text, Timestamp, rfc3339
from gateway.model.audit import AuditEntry
from gateway.store.approvals import Approvals
from gateway.store.control import ChangeConflict, Control
from gateway.store.errors import StoreUnavailable
from gateway.store.tool_definitions import differences
from gateway.store.tool_pins import NotApprovable, Pin, State, ToolPins, UnknownTool, approvals_of

ServerName = Annotated[str, Path(max_length=200)]
ToolName = Annotated[str, Path(max_length=256)]


class Approve(Body):
    """`definition`: the hash of the definition that was looked at; without it, whichever the server lists now."""

    definition: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")] | None = None
    reason: Text | None = None


class ToolChange(BaseModel):
    """`before` and `after` are null where the definition has no such member."""

    member: str
    before: Any
    after: Any


class ShownTool(BaseModel):
    """`state`: pinned (as it may be used), new (used, but nobody approved it), changed (held until it is approved),
    seen (cannot be pinned, `problem` says why; held). `pinned` and `seen` are what may be used and what the server
    lists, null where there is none; `*_definition` are the hashes by which approvals and call tokens name them."""

    server: str
    tool: str
    state: State
    pinned_definition: str | None
    seen_definition: str | None
    pinned: dict[str, Any] | None
    seen: dict[str, Any] | None
    changes: list[ToolChange]
    findings: list[str]
    problem: str | None
    first_seen: Timestamp
    changed_at: Timestamp | None
    approved_by: str | None
    approved_at: Timestamp | None


class ToolList(BaseModel):
    items: list[ShownTool]
    next_cursor: str | None = None


class ApprovedTool(ShownTool):
    """`pending`: the replicas that have not confirmed."""

    epoch: int
    pending: list[str]


def router(
    pins: ToolPins,
    control: Control,
    approvals: Approvals,
    *,
    note: Callable[[AuditEntry], None],
    notify: Callable[[str, dict[str, Any]], None],
    clock: Callable[[], float],
) -> APIRouter:
    """Any worker answers for all.

    Args:
        note: writes a line more into the audit record.
        notify: tells whoever watches the events.
    """
    routes = APIRouter(tags=["tools"])
    _reads(routes, pins)
    approve = _Approve(pins, approvals, note, notify, clock)

    @routes.post(
        "/tools/{server}/{tool:path}/approve",
        response_model=ApprovedTool,
        dependencies=[needs("operator")],
        responses={202: {"model": ApprovedTool}, 404: {}, 409: {}},
    )
    async def approve_tool(
        server: ServerName, tool: ToolName, request: Request, response: Response, body: Approve | None = None
    ) -> dict[str, Any]:
        """The definition that the server lists now is the one that may be used. 202: replicas in `pending` have not
        said that they know."""
        pin, epoch = await approve(server, tool, principal(request).key_id, body or Approve())
        pending = await control.acknowledged(epoch, WITHIN)
        response.status_code = 202 if pending else 200
        (shown,) = await _shown(pins, [(server, tool, pin)])
        return {**shown, "epoch": epoch, "pending": pending}

    return routes


class _Approve:
    """Approves in an operator's name, leaves a line in the record, and answers those who asked."""

    def __init__(
        self,
        pins: ToolPins,
        approvals: Approvals,
        note: Callable[[AuditEntry], None],
        notify: Callable[[str, dict[str, Any]], None],
        clock: Callable[[], float],
    ) -> None:
        self._pins = pins
        self._approvals = approvals
        self._note = note
        self._notify = notify
        self._clock = clock

    async def __call__(self, server: str, tool: str, by: str, body: Approve) -> tuple[Pin, int]:
        try:
            pin, epoch = await self._pins.approve(server, tool, by, expected=body.definition)
        except UnknownTool:
            raise Problem(404, f"No tool {tool[:80]!r} of a server {server[:80]!r} was seen.") from None
        except NotApprovable as error:
            raise Problem(409, f"Nothing was changed. {error}") from None
        except ChangeConflict:
            raise Problem(409, "Nothing was changed: others change the same at this moment.") from None
        self._note(_entry(self._clock(), server, tool, pin, by, body.reason))
        self._notify("tool.approved", {"server": server, "tool": tool, "definition": pin.pinned, "by": by})
        await _answer_those_who_asked(self._approvals, server, tool, pin, by)
        return pin, epoch


def _reads(routes: APIRouter, pins: ToolPins) -> None:
    @routes.get("/tools", response_model=ToolList, dependencies=[needs("viewer")])
    async def list_tools(
        server: Annotated[str | None, Query(max_length=200)] = None,
        state: State | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: Annotated[str | None, Query(max_length=2000)] = None,
    ) -> dict[str, Any]:
        """In the order of servers and tools; of servers that were used once."""
        after = _place(cursor) if cursor is not None else ("", "")
        found = [one for one in _all(pins, server, state) if one[:2] > after]
        page = found[:limit]
        following = _cursor(page[-1]) if len(found) > limit else None
        return {"items": await _shown(pins, page), "next_cursor": following}


def _all(pins: ToolPins, server: str | None, state: State | None) -> Iterator[tuple[str, str, Pin]]:
    for name in pins.servers:
        if server is None or name == server:
            for tool, pin in sorted((pins.of(name) or {}).items()):
                if state is None or pin.state == state:
                    yield name, tool, pin


async def _shown(pins: ToolPins, page: list[tuple[str, str, Pin]]) -> list[dict[str, Any]]:
    hashes: dict[str, set[str]] = {}
    for server, _, pin in page:
        hashes.setdefault(server, set()).update(one for one in (pin.pinned, pin.seen) if one is not None)
    kept = {server: await pins.definitions(server, wanted) for server, wanted in hashes.items()}
    return [_one(server, tool, pin, kept[server]) for server, tool, pin in page]


def _one(server: str, tool: str, pin: Pin, kept: dict[str, dict[str, Any]]) -> dict[str, Any]:
    pinned, seen = kept.get(pin.pinned or ""), kept.get(pin.seen or "")
    return {
        "server": server,
        "tool": tool,
        "state": pin.state,
        "pinned_definition": pin.pinned,
        "seen_definition": pin.seen,
        "pinned": pinned,
        "seen": seen,
        "changes": differences(pinned, seen) if pin.state == "changed" and pinned and seen else [],
        "findings": list(pin.findings),
        "problem": pin.problem,
        "first_seen": rfc3339(pin.first_seen),
        "changed_at": None if pin.changed_at is None else rfc3339(pin.changed_at),
        "approved_by": pin.by,
        "approved_at": None if pin.approved_at is None else rfc3339(pin.approved_at),
    }


async def _answer_those_who_asked(approvals: Approvals, server: str, tool: str, pin: Pin, by: str) -> None:
    """What waits for a person is decided by this, too; it is done already, so it does not matter if that fails."""
    try:
        owner, name = approvals_of(server, tool)
        asked = await approvals.find("tool_definition", owner, name, pin.pinned or "")
        if asked is not None:
            await approvals.decide([asked], "approved", by=by)
    except StoreUnavailable:
        pass


def _entry(now: float, server: str, tool: str, pin: Pin, by: str, reason: str | None) -> AuditEntry:
    return AuditEntry(
        now,
        "admin",
        "approve:tool",
        f"admin:{by}",
        resource=f"{server}/{tool}",
        tool=tool,
        reason=reason,
        result="success",
        metadata={"definition": pin.pinned},
    )


def _cursor(last: tuple[str, str, Pin]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(last[:2])).decode().rstrip("=")


def _place(cursor: str) -> tuple[str, str]:
    try:
        server, tool = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return str(server), str(tool)
    except (binascii.Error, ValueError, TypeError):
        raise invalid("query.cursor", "is not a cursor of this list") from None
