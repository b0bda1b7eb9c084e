"""The incidents of what operators do themselves: whoever stops an agent opens one, whoever lets it go on closes it."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from gateway.immune.incident import Incident
from gateway.model.lifecycle import Life
from gateway.store.errors import StoreUnavailable
from gateway.store.incidents import Incidents

log = logging.getLogger(__name__)

Notify = Callable[[str, dict[str, Any]], None]
Alert = Callable[[str, dict[str, Any], str], None]


class OperatorIncidents:
    """Nothing is raised: what it is about is done by then, and done again it is made up for.

    Args:
        notify: tells whoever watches the events; `alert`, webhooks: of a kind, with data, once an id.
        clock: seconds since the epoch.
    """

    def __init__(self, incidents: Incidents, *, notify: Notify, alert: Alert, clock: Callable[[], float]) -> None:
        self._incidents = incidents
        self._notify = notify
        self._alert = alert
        self._clock = clock

    async def blocked(self, before: Life | None, life: Life, reason: str, by: str) -> None:
        """An operator has put an agent into quarantine, or holds one that was there."""
        if before is None or not before.blocked:
            data = {"agent_id": life.agent_id, "incident_id": life.incident_id, "reason": reason, "by": by}
            self._alert("agent.quarantined", data, f"{life.incident_id}:{life.since}")
        await self._surely(self._blocked, before, life, reason, by)

    async def released(self, before: Life, after: Life, reason: str, by: str) -> None:
        """An operator lets an agent go on."""
        if before.blocked and not after.blocked:
            data = {"agent_id": before.agent_id, "incident_id": before.incident_id, "reason": reason, "by": by}
            self._alert("agent.released", data, f"{before.incident_id}:{after.since}")
        await self._surely(self._released, before, after, reason, by)

    async def _blocked(self, before: Life | None, life: Life, reason: str, by: str) -> None:
        now = self._clock()
        if life.incident_id is None:
            return
        made = Incident(life.incident_id, life.agent_id, now, state=life.state, reason=f"{reason} ({by})")
        if await self._incidents.open(made) == made:
            data = {"agent_id": life.agent_id, "incident_id": life.incident_id, "state": life.state, "reason": reason}
            self._notify("incident.opened", data)
            self._alert("incident.opened", data, life.incident_id)
        elif life != before:

            def held(known: Incident) -> Incident:
                again = replace(known, state=life.state, closed_at=None)
                return again.acted("quarantine", f"{reason} ({by})", now)

            await self._incidents.change(life.incident_id, held)

    async def _released(self, before: Life, after: Life, reason: str, by: str) -> None:
        if before.incident_id is None or before.incident_id == after.incident_id:
            return
        now = self._clock()

        def closed(known: Incident) -> Incident:
            if known.closed_at is not None:
                return known
            return replace(known, closed_at=now, state=after.state).acted("release", f"{reason} ({by})", now)

        if await self._incidents.change(before.incident_id, closed) is not None:
            data = {"agent_id": before.agent_id, "incident_id": before.incident_id, "state": after.state}
            self._notify("incident.closed", data)
            self._alert("incident.closed", data, f"{before.incident_id}:closed")

    async def _surely(self, step: Callable[..., Awaitable[None]], *args: object) -> None:
        try:
            await step(*args)
        except StoreUnavailable as error:
            log.warning("an incident is not up to date with what an operator did: %s", error)
