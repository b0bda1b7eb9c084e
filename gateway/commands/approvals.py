"""`leuko approvals`: what waits for a person, and the person's word."""

from typing import Annotated, Any, Literal

import typer

from gateway.commands.agents import Limit
from gateway.commands.session import Session, given, group, quoted

_COLUMNS = ("approval_id", "status", "kind", "agent_id", "tool", "arguments", "rule", "created_at", "decided_by")
_DECIDED = ("approval_id", "status", "changed", "decided_by")
_MOST = 1000

ApprovalId = Annotated[str, typer.Argument(help="An approval's id, apr_….", metavar="APPROVAL")]
ApprovalIds = Annotated[list[str], typer.Argument(help="Approvals' ids, apr_….", metavar="APPROVAL…")]
Reason = Annotated[str | None, typer.Option("--reason", "-r", help="Why; kept with the decision.")]


def list_approvals(
    session: Session,
    status: Annotated[
        Literal["pending", "approved", "rejected", "expired", "all"], typer.Option(help="Those that are so.")
    ] = "pending",
    limit: Limit = 100,
) -> None:
    """What waits for a person, the newest first; or what became of the last day's."""
    params = {"status": None if status == "all" else status}
    session.show(session.client.items("/approvals", limit, params), _COLUMNS)


def show(session: Session, approval: ApprovalId) -> None:
    """All that is known of one."""
    session.show_one(session.client.ask("GET", f"/approvals/{quoted(approval)}"))


def approve(session: Session, approval: ApprovalIds, reason: Reason = None) -> None:
    """Let calls be made: each once, with exactly these arguments, within the hour."""
    _decide(session, "approve", "approved", approval, reason)


def reject(session: Session, approval: ApprovalIds, reason: Reason = None) -> None:
    """Let calls not be made."""
    _decide(session, "reject", "rejected", approval, reason)


def _decide(session: Session, verb: str, outcome: str, ids: list[str], reason: str | None) -> None:
    """Raises Failure if one of them was not decided by this."""
    from gateway.commands.client import Failure

    decided: list[dict[str, Any]] = []
    for at in range(0, len(ids), _MOST):
        body = given(ids=ids[at : at + _MOST], reason=reason)
        decided += session.client.ask("POST", f"/approvals/{verb}-all", body=body)["items"]
    session.show(decided, _DECIDED)
    others = [f"{one['approval_id']} is {one['status'] or 'unknown'}" for one in decided if not one["changed"]]
    if others:
        raise Failure(f"not {outcome}: {', '.join(others)}")


def commands() -> typer.Typer:
    verbs = (("list", list_approvals), ("show", show), ("approve", approve), ("reject", reject))
    return group("approvals", "What waits for a person.", verbs)
