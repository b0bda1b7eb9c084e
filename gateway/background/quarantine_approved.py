"""Quarantines agents on statistical evidence where a person has agreed to it (`sigma_action: approve`)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from gateway.background.ask_people import AskPeople
from gateway.background.move_agents import MoveAgents
from gateway.background.tell_of_agents import TellOfAgents
from gateway.immune.evidence import leading
from gateway.immune.incident import Incident
from gateway.immune.lifecycle import named
from gateway.immune.moves import GATEWAY, contained
from gateway.immune.record import Record
from gateway.immune.settings import Immune
from gateway.model.lifecycle import Life
from gateway.store.incidents import Incidents


class QuarantineApproved:
    """Every method raises StoreUnavailable.

    Args:
        credential_of: what an agent's requests show, empty if nobody knows.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        agents: MoveAgents,
        incidents: Incidents,
        people: AskPeople,
        tell: TellOfAgents,
        *,
        credential_of: Callable[[str], Awaitable[str]],
        clock: Callable[[], float],
    ) -> None:
        self._agents = agents
        self._incidents = incidents
        self._people = people
        self._tell = tell
        self._credential_of = credential_of
        self._clock = clock

    async def look(self, record: Record, life: Life, settings: Immune) -> None:
        """Hear the answer about an agent of which it was asked and that is still suspected, and do what it says."""
        incident = await self._incidents.get(life.incident_id or "")
        if incident is None or settings.mode != "enforce":
            return
        cause = named(leading(incident.findings))
        incident = await self._people.heard("quarantine", incident)
        answer = incident.said("quarantine")
        if answer is None:  # nobody answered in time, or too many questions waited
            await self._people.may_quarantine(incident, cause)
        elif answer == "approved":
            await self._quarantine(record, life, incident, cause, settings)

    async def _quarantine(self, record: Record, life: Life, incident: Incident, cause: str, settings: Immune) -> None:
        credential_id, by = await self._credential_of(record.agent_id), incident.asked["quarantine"].by

        def blocked(one: Life) -> Life:
            return contained(
                one,
                self._clock(),
                cause,
                by or GATEWAY,
                sigma=True,
                drain_seconds=settings.drain_seconds,
                incident_id=incident.incident_id,
                credential_id=credential_id,
            )

        record.life = await self._agents.move(record.agent_id, blocked, base=life)
        if record.life.state == "DRAINING":
            await self._incidents.change(incident.incident_id, lambda one: replace(one, state="DRAINING"))
            self._tell.quarantined(record.life)
