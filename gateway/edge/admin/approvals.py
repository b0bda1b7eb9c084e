"""`/approvals`: what waits for a person, and what people decided."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, StringConstraints
from starlette.requests import Request

from gateway.edge.admin.access import Principal, needs, principal
from gateway.edge.admin.problems import Problem, invalid
from gateway.edge.admin.shapes import Body, Text, Timestamp, rfc3339
from gateway.model.audit import AuditEntry
from gateway.store.approval_record import Approval, Outcome, Status
from gateway.store.approvals import Approvals

ApprovalId = Annotated[str, Path(max_length=200)]
_MOST_IDS = 1000
_VERBS: dict[Outcome, str] = {"approved": "approve", "rejected": "reject"}


class Decision(Body):
    reason: Text | None = None


class Decisions(Body):
    ids: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=200)]], Field(min_length=1, max_length=_MOST_IDS)
    ]
    reason: Text | None = None


class ShownApproval(BaseModel):
    """`arguments`: with known secrets covered; null once they are not kept any more, and for viewers. Where
    `truncated`, they are the beginning of their JSON text. `expired`: it can be neither decided nor used any more."""

    approval_id: str
    kind: str
    agent_id: str
    status: Status
    created_at: Timestamp
    expires_at: Timestamp
    tool: str
    arguments: Any
    truncated: bool
    rule: str
    reason: str
    conversation: str | None
    request_id: str | None
    args_hash: str
    deviation: float | None
    decided_by: str | None
    decided_at: Timestamp | None
    decision_reason: str | None
    used_at: Timestamp | None


class ApprovalList(BaseModel):
    items: list[ShownApproval]
    next_cursor: str | None = None


class ShownDecision(BaseModel):
    """`changed`: this request decided it. `status` null: there is none of this id."""

    approval_id: str
    status: Status | None
    changed: bool
    decided_by: str | None


class DecisionList(BaseModel):
    items: list[ShownDecision]
    next_cursor: None = None


def router(approvals: Approvals, *, note: Callable[[AuditEntry], None], clock: Callable[[], float]) -> APIRouter:
    """Any worker answers for all.

    Args:
        note: writes a line more into the audit record.
        clock: seconds since the epoch.
    """
    routes = APIRouter(tags=["approvals"])
    decide = _Decide(approvals, note, clock)
    _reads(routes, approvals)
    for outcome, verb in _VERBS.items():
        _decides(routes, approvals, decide, outcome, verb)
    return routes


class _Decide:
    """Decides in an operator's name, and leaves a line for each approval."""

    def __init__(self, approvals: Approvals, note: Callable[[AuditEntry], None], clock: Callable[[], float]) -> None:
        self._approvals = approvals
        self._note = note
        self._clock = clock

    async def __call__(
        self, ids: list[str], outcome: Outcome, who: Principal, reason: str | None
    ) -> list[tuple[Approval | None, bool]]:
        results = await self._approvals.decide(ids, outcome, by=who.key_id, reason=reason or "")
        for approval, ours in results:
            if approval is not None and ours:
                self._note(self._entry(approval, outcome, who, reason))
        return results

    def _entry(self, approval: Approval, outcome: Outcome, who: Principal, reason: str | None) -> AuditEntry:
        return AuditEntry(
            self._clock(),
            "admin",
            f"{_VERBS[outcome]}:approval",
            f"admin:{who.key_id}",
            request_id=approval.request_id or None,
            agent_id=approval.agent_id,
            resource=approval.approval_id,
            tool=approval.tool,
            rule=approval.rule,
            reason=reason,
            result="success",
            args_hash=approval.args_hash or None,
            metadata={"kind": approval.kind},
        )


def _reads(routes: APIRouter, approvals: Approvals) -> None:
    @routes.get("/approvals", response_model=ApprovalList, dependencies=[needs("viewer")])
    async def list_approvals(
        request: Request,
        status: Literal["pending", "approved", "rejected", "expired"] | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: Annotated[str, Query(max_length=200)] = "",
    ) -> dict[str, Any]:
        """One page, the newest first: of an hour, and what became of those of a day. A page may hold fewer than
        `limit`; there are more as long as there is a cursor."""
        try:
            found, following = await approvals.page(status, limit=limit, cursor=cursor)
        except ValueError as error:
            raise invalid("query.cursor", str(error)) from None
        who = principal(request)
        return {"items": [_shown(approval, who) for approval in found], "next_cursor": following}

    @routes.get(
        "/approvals/{approval_id}",
        response_model=ShownApproval,
        dependencies=[needs("viewer")],
        responses={404: {}},
    )
    async def get_approval(approval_id: ApprovalId, request: Request) -> dict[str, Any]:
        found = await approvals.get(approval_id)
        if found is None:
            raise _unknown(approval_id)
        return _shown(found, principal(request))


def _decides(routes: APIRouter, approvals: Approvals, decide: _Decide, outcome: Outcome, verb: str) -> None:
    @routes.post(
        f"/approvals/{{approval_id}}/{verb}",
        operation_id=f"{verb}_approval",
        response_model=ShownApproval,
        dependencies=[needs("operator")],
        responses={404: {}, 409: {}},
    )
    async def decide_one(approval_id: ApprovalId, request: Request, body: Decision | None = None) -> dict[str, Any]:
        """Decides what is pending; 409 for what was decided before, or is over."""
        who = principal(request)
        ((found, ours),) = await decide([approval_id], outcome, who, body.reason if body else None)
        if found is None:
            raise _unknown(approval_id)
        if not ours:
            by = f" by {found.decided_by}" if found.decided_by else ""
            raise Problem(409, f"{approval_id[:80]} is {found.status} already{by}.")
        return _shown(found, who)

    @routes.post(
        f"/approvals/{verb}-all",
        operation_id=f"{verb}_approvals",
        response_model=DecisionList,
        dependencies=[needs("operator")],
    )
    async def decide_many(body: Decisions, request: Request) -> dict[str, Any]:
        """Decides those of the given ids that are pending, and says of each what it is then."""
        ids = list(dict.fromkeys(body.ids))
        results = await decide(ids, outcome, principal(request), body.reason)
        items = [
            {
                "approval_id": approval_id,
                "status": found.status if found else None,
                "changed": ours,
                "decided_by": found.decided_by if found else None,
            }
            for approval_id, (found, ours) in zip(ids, results, strict=True)
        ]
        return {"items": items, "next_cursor": None}


def _unknown(approval_id: str) -> Problem:
    return Problem(404, f"There is no approval {approval_id[:80]!r}.")


def _shown(approval: Approval, who: Principal) -> dict[str, Any]:
    times = ("created_at", "expires_at", "decided_at", "used_at")
    shown = {name: getattr(approval, name) for name in ShownApproval.model_fields if name not in times}
    shown |= {name: None if (at := getattr(approval, name)) is None else rfc3339(at) for name in times}
    shown |= {name: shown[name] or None for name in ("conversation", "request_id")}
    if not who.may("operator"):
        shown["arguments"] = None
    return shown
