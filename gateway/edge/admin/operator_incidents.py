"""The incidents of what operators do themselves: whoever stops an agent opens one, whoever lets it go on closes it."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol

from gateway.immune.incident import Incident
from gateway.model.lifecycle import Life
from gateway.store.errors import StoreUnavailable

log = logging.getLogger(__name__)

Step = Callable[[Incident], Incident]
Alert = Callable[[str, dict[str, Any], str], None]


class Incidents(Protocol):
    """Opened and closed, and told of. Raises StoreUnavailable."""

    async def open(self, incident: Incident, known: Step, *, by: str) -> Incident:
        """`known`: what becomes of one that was opened before."""

    async def close(self, incident_id: str, state: str, *, release: str) -> None: ...


class OperatorIncidents:
    """Nothing is raised: what it is about is done by then, and done again it is made up for.

    Args:
        alert: tells webhooks: of a kind, with data, once an id.
        clock: seconds since the epoch.
    """

    def __init__(self, incidents: Incidents, *, alert: Alert, clock: Callable[[], float]) -> None:
        self._incidents = incidents
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

        def held(known: Incident) -> Incident:
            again = replace(known, state=life.state, closed_at=None)
            return known if life == before else again.acted("quarantine", f"{reason} ({by})", now)

        made = Incident(life.incident_id, life.agent_id, now, state=life.state, reason=reason)
        await self._incidents.open(made, held, by=by)

    async def _released(self, before: Life, after: Life, reason: str, by: str) -> None:
        if before.incident_id is not None and before.incident_id != after.incident_id:
            await self._incidents.close(before.incident_id, after.state, release=f"{reason} ({by})")

    async def _surely(self, step: Callable[..., Awaitable[None]], *args: object) -> None:
        try:
            await step(*args)
        except StoreUnavailable as error:
            log.warning("an incident is not up to date with what an operator did: %s", error)
