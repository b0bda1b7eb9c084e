"""Asks people whether an agent may be healed, or quarantined, and hears their answers.

The incident remembers which approval it waits for and what was said, so an answer is heard whenever somebody looks, on
whichever replica, and though every gateway was restarted meanwhile. Each of the two has one question open at a time;
one that nobody answered in time is asked again.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway.immune.evidence import deviation, leading
from gateway.immune.incident import Approval, Asked, Incident, Question
from gateway.immune.ladder import Treatment, says
from gateway.immune.prescription import members
from gateway.store.approval_record import Pending
from gateway.store.approvals import Approvals, TooManyPending
from gateway.store.incidents import Incidents

QUARANTINE = "quarantine"
"""What stands in the place of a tool where people are asked whether an agent may be quarantined."""


class AskPeople:
    """Every method raises StoreUnavailable.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, approvals: Approvals, incidents: Incidents, *, clock: Callable[[], float]) -> None:
        self._approvals = approvals
        self._incidents = incidents
        self._clock = clock

    async def may_heal(self, incident: Incident, treatment: Treatment) -> None:
        """Ask whether an agent may be healed as planned. Where too many questions wait, ask again later."""
        sure = next((one.confidence for one in incident.diagnoses if one.cause == treatment.cause), 0.0)
        reason = f"heal it of {treatment.cause} ({sure:.0%}): {says(treatment.remedy)}"
        await self._ask("heal", incident, treatment.remedy, members(treatment.prescription), reason)

    async def may_quarantine(self, incident: Incident, cause: str) -> None:
        """Ask whether an agent may be quarantined. Where too many questions wait, ask again later."""
        await self._ask("quarantine", incident, QUARANTINE, {}, cause)

    async def heard(self, question: Question, incident: Incident) -> Incident:
        """The incident with what somebody has said by now; as if it was never asked, if the time for that is over."""
        asked = incident.asked.get(question)
        if asked is None or asked.said != "pending":
            return incident
        approval = await self._approvals.get(asked.approval_id)
        if approval is not None and approval.status == "pending":
            return incident
        if approval is None or (approval.status == "expired" and approval.decided_by is None):
            return await self._write(incident, question, None, f"ask:{question}", "expired")
        by = approval.decided_by or ""
        if approval.status == "rejected":
            return await self._write(incident, question, "rejected", "reject", f"by {by}", by)
        # Approved is approved, though nobody was there to hear of it in time. Used up, it is not shown as expired.
        await self._approvals.take(approval.agent_id, approval.args_hash, approval.tool, "healing")
        return await self._write(incident, question, "approved", "approve", f"by {by}", by)

    async def answered(self, question: Question, incident: Incident, by: str, reason: str) -> None:
        """An operator has answered by doing it: whoever sees the question need not answer it any more."""
        asked = incident.asked.get(question)
        if asked is not None:
            await self._approvals.decide([asked.approval_id], "approved", by=by, reason=reason)

    async def _ask(
        self, question: Question, incident: Incident, tool: str, arguments: Mapping[str, Any], reason: str
    ) -> None:
        first = leading(incident.findings)
        pending = Pending(
            "healing",
            incident.agent_id,
            tool,
            arguments,
            f"immune/{first.type if first is not None else 'unknown'}",
            reason,
            conversation=(first.conversation or "") if first is not None else "",
            request_id=first.request_id if first is not None else "",
            args_hash=incident.incident_id,
            deviation=deviation(incident.findings),
        )
        try:
            approval = await self._approvals.ask(pending)
        except TooManyPending:
            return
        now = self._clock()

        def asked(one: Incident) -> Incident:
            before = one.asked.get(question)
            if before is not None and before.approval_id == approval.approval_id:
                return one
            one = replace(one, asked={**one.asked, question: Asked(approval.approval_id)})
            return one.acted(f"ask:{question}", "pending", now)

        await self._incidents.change(incident.incident_id, asked)

    async def _write(
        self, incident: Incident, question: Question, said: Approval | None, action: str, outcome: str, by: str = ""
    ) -> Incident:
        now = self._clock()

        def written(one: Incident) -> Incident:
            if one.said(question) != "pending":
                return one
            return one.answered(question, said, by).acted(action, outcome, now)

        return await self._incidents.change(incident.incident_id, written) or incident
