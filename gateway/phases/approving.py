"""Asks people to approve tool calls, and waits for them where a rule says so."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.value import value
from gateway.model.verdict import Denial, Ruling, Withhold
from gateway.phases.judged_call import Judged, Judgement
from gateway.store.approval_record import Approval, Kind, Pending, Status
from gateway.store.approvals import TooManyPending
from gateway.wire.refusal_text import called, refusal_text, tool_name

_ADVICE = "Once a person has approved it, the same call can be made again, unchanged."
_SAID = {
    "pending": "a person has to approve it first ({id})",
    "rejected": "a person rejected it ({id})",
    "expired": "nobody approved it in time ({id})",
}


class Approvals(Protocol):
    """What people are asked; see `store.approvals`."""

    async def ask(self, pending: Pending) -> Approval: ...

    async def wait(self, approval_id: str, seconds: float) -> Status: ...

    async def take(self, agent_id: str, args_hash: str, tool: str, kind: Kind = ...) -> Approval | None: ...


@value
class Asked:
    """A call that a person has to approve, and where that stands. `approval` None: nobody could be asked any more."""

    judged: Judged
    args_hash: str
    approval: Approval | None
    status: str

    @property
    def denial(self) -> Denial:
        verdict = self.judged.verdict
        reason = _SAID[self.status].format(id=self.approval.approval_id) if self.approval else "too many wait already"
        return Denial(tool_name(self.judged.call.name), verdict.rule, reason)


class Approving:
    """Over the approvals of the deployment. What it calls raises StoreUnavailable."""

    def __init__(self, approvals: Approvals) -> None:
        self._approvals = approvals

    async def ask(self, exchange: Exchange, judgement: Judgement, hashed: Sequence[tuple[Judged, str]]) -> list[Asked]:
        """Ask for all of them, then wait until each is decided or the longest time that a rule grants is over."""
        found = [await self._ask(exchange, judgement, judged, args_hash) for judged, args_hash in hashed]
        end = asyncio.get_running_loop().time() + max(one.judged.verdict.on_deny.hold_seconds for one in found)
        return [await self._waited(one, end) for one in found]

    async def take(self, asked: Sequence[Asked], agent_id: str) -> Asked | None:
        """Use the approvals; the first that could not be used any more."""
        for one in asked:
            if await self._approvals.take(agent_id, one.args_hash, one.judged.call.name) is None:
                return Asked(one.judged, one.args_hash, one.approval, "expired")
        return None

    async def _ask(self, exchange: Exchange, judgement: Judgement, judged: Judged, args_hash: str) -> Asked:
        verdict, call = judged.verdict, judged.call
        pending = Pending(
            "tool_call",
            judgement.agent.agent_id,
            call.name,
            call.parsed,
            verdict.rule,
            verdict.reason,
            judgement.conversation,
            exchange.id,
            args_hash,
        )
        try:
            approval = await self._approvals.ask(pending)
        except TooManyPending:
            return Asked(judged, args_hash, None, "pending")
        return Asked(judged, args_hash, approval, approval.status)

    async def _waited(self, asked: Asked, end: float) -> Asked:
        hold = asked.judged.verdict.on_deny.kind == "hold"
        left = end - asyncio.get_running_loop().time()
        if not hold or asked.approval is None or asked.status != "pending" or left <= 0:
            return asked
        status = await self._approvals.wait(asked.approval.approval_id, left)
        return Asked(asked.judged, asked.args_hash, asked.approval, status)


def not_approved(asked: Sequence[Asked], denials: Sequence[Denial]) -> Ruling:
    """What the agent gets for calls that nobody has approved: text where every rule says so, else a refusal."""
    if all(one.judged.verdict.on_deny.kind == "refuse" for one in asked):
        return Withhold(refusal_text(denials, advice=_ADVICE), tuple(denials))
    first, denial = asked[0], denials[0]
    return Refusal(
        "approval_required",
        f"The call to {called(first.judged.call.name)} was refused by rule {denial.rule}: {denial.reason}.",
        headers=((b"x-gateway-denied", b"%d" % len(denials)),),
        approval_id=first.approval.approval_id if first.approval is not None else None,
    )
