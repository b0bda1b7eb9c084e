"""Asks people to approve what an agent wants to do, and waits for them where a rule says so."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from gateway.model.errors import Refusal
from gateway.model.value import value
from gateway.model.verdict import Denial, Ruling, Withhold
from gateway.policy.verdict import Verdict
from gateway.store.approval_record import Approval, Kind, Pending, Status
from gateway.store.approvals import TooManyPending
from gateway.wire.refusal_text import called, refusal_text, tool_name

_ADVICE = "Once a person has approved it, the same call can be made again, unchanged."
_SAID = {
    "pending": "a person has to approve it first ({id})",
    "rejected": "a person rejected it ({id})",
    "expired": "nobody approved it in time ({id})",
}


class StillHeld(Refusal):
    """Nobody has decided yet, and whoever asks again may still hear that it was approved."""


class Approvals(Protocol):
    """What people are asked; see `store.approvals`."""

    async def ask(self, pending: Pending) -> Approval: ...

    async def wait(self, approval_id: str, seconds: float) -> Status: ...

    async def take(self, agent_id: str, args_hash: str, tool: str, kind: Kind = ...) -> Approval | None: ...


@value
class Asked:
    """What a person has to approve, and where that stands. `approval` None: as many as may be wait already; `again`: it
    may be asked about once more, for the time that its rule grants is not over."""

    verdict: Verdict
    pending: Pending
    approval: Approval | None
    status: str
    full: str = ""
    again: bool = False

    @property
    def why(self) -> str:
        """Why it is not done now."""
        if self.approval is None:
            return f"a person has to approve it, but {self.full}"
        return _SAID[self.status].format(id=self.approval.approval_id)

    @property
    def denial(self) -> Denial:
        return Denial(tool_name(self.pending.tool), self.verdict.rule, self.why)


class Approving:
    """Over the approvals of the deployment. What it calls raises StoreUnavailable."""

    def __init__(self, approvals: Approvals) -> None:
        self._approvals = approvals

    async def ask(self, verdict: Verdict, pending: Pending) -> Asked:
        """Ask, unless the same was asked before."""
        try:
            approval = await self._approvals.ask(pending)
        except TooManyPending as error:
            return Asked(verdict, pending, None, "pending", str(error).rstrip("."))
        return Asked(verdict, pending, approval, approval.status)

    async def hold(self, asked: Sequence[Asked], *, most: float | None = None, before: float = 0.0) -> list[Asked]:
        """Wait until each is decided or the longest time that a rule grants is over.

        Args:
            most: seconds that may be waited now. before: seconds that were waited until now.
        """
        seconds = max(one.verdict.on_deny.hold_seconds for one in asked) - before
        again = most is not None and most < seconds
        end = asyncio.get_running_loop().time() + (most if most is not None and again else seconds)
        return [replace(one, again=again) for one in [await self._waited(one, end) for one in asked]]

    async def take(self, asked: Asked) -> Asked:
        """Use what was approved; expired if it cannot be used any more."""
        pending = asked.pending
        if await self._approvals.take(pending.agent_id, pending.args_hash, pending.tool) is None:
            return replace(asked, status="expired")
        return asked

    async def _waited(self, asked: Asked, end: float) -> Asked:
        hold = asked.verdict.on_deny.kind == "hold"
        left = end - asyncio.get_running_loop().time()
        if not hold or asked.approval is None or asked.status != "pending" or left <= 0:
            return asked
        return replace(asked, status=await self._approvals.wait(asked.approval.approval_id, left))


def not_approved(asked: Sequence[Asked], denials: Sequence[Denial]) -> Ruling:
    """What the agent gets for calls that nobody has approved: text where every rule says so, else a refusal."""
    if all(one.verdict.on_deny.kind == "refuse" for one in asked):
        return Withhold(refusal_text(denials, advice=_ADVICE), tuple(denials))
    first, denial = asked[0], denials[0]
    held = all(one.status == "pending" and one.again and one.approval is not None for one in asked)
    return (StillHeld if held else Refusal)(
        "approval_required",
        f"The call to {called(first.pending.tool)} was refused by rule {denial.rule}: {denial.reason}.",
        headers=((b"x-gateway-denied", b"%d" % len(denials)),),
        approval_id=first.approval.approval_id if first.approval is not None else None,
    )
