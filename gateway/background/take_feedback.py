"""Takes people's word on what was behind incidents: later ones like them are diagnosed by it."""

from dataclasses import replace

from gateway.immune.diagnosis import diagnose
from gateway.immune.evidence import leading
from gateway.immune.incident import Incident
from gateway.immune.memory import Cause, feedback_field
from gateway.store.immune_counts import ImmuneCounts
from gateway.store.incidents import Incidents


class TakeFeedback:
    def __init__(self, incidents: Incidents, counts: ImmuneCounts) -> None:
        self._incidents = incidents
        self._counts = counts

    async def take(self, incident_id: str, actual_cause: Cause) -> Incident | None:
        """The incident then; None if there is none of this id. Raises StoreUnavailable.

        A word counts once for an incident: another one later takes the place of the first.
        """
        incident = await self._incidents.get(incident_id)
        if incident is None:
            return None
        counts, first = await self._counts.read(), leading(incident.findings)
        before = incident.counted_as
        counted = feedback_field(first.type, actual_cause) if first is not None else ""
        # Both may be done again after a crash, and then change nothing.
        if before and before != counted:
            await self._counts.take(before, incident_id)
        if counted:
            await self._counts.add(counted, incident_id)

        def told(one: Incident) -> Incident:
            diagnoses = diagnose(one.findings, counts, actual=actual_cause)
            return replace(one, actual_cause=actual_cause, diagnoses=diagnoses, counted_as=counted)

        return await self._incidents.change(incident_id, told)
