"""Opens incidents and closes them, and tells of it: whoever watches the events, and webhooks.

What many agents suffer from at once is nobody's illness: webhooks, which are about agents, do not hear of it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.immune.incident import Incident
from gateway.store.incidents import Incidents

Step = Callable[[Incident], Incident]


class KeepIncidents:
    """Every method raises StoreUnavailable, and may be called again: then a closing is told once more.

    Args:
        notify: tells whoever watches the events. alert: webhooks: of a kind, with data, once an id.
        clock: seconds since the epoch.

    Attributes:
        change: as that of `Incidents`.
    """

    def __init__(
        self,
        incidents: Incidents,
        *,
        notify: Callable[[str, dict[str, Any]], None],
        alert: Callable[[str, dict[str, Any], str], None],
        clock: Callable[[], float],
    ) -> None:
        self._incidents = incidents
        self._notify = notify
        self._alert = alert
        self._clock = clock
        self.change = incidents.change

    async def open(self, incident: Incident, known: Step = lambda one: one, *, by: str = "") -> Incident:
        """Open an incident, or go on with the one of its id; as it is then.

        Args:
            known: what becomes of one that was opened before.
            by: the key id of the operator whose doing it is, noted beside the reason.
        """
        made = replace(incident, reason=f"{incident.reason} ({by})") if by else incident
        found = await self._incidents.open(made)
        if found.opened_at != made.opened_at:
            return await self._incidents.change(made.incident_id, known) or found
        if incident.agent_id:
            self._tell("incident.opened", incident, {"state": incident.state, "reason": incident.reason})
        else:
            self._tell("incident.opened", incident, {"cause": incident.state, **incident.detail})
        return found

    async def close(self, incident_id: str, state: str, *, release: str = "") -> None:
        """Close an incident, if there is one.

        Args:
            state: where its agent is now.
            release: why an operator let the agent go on, noted as an action.
        """
        now = self._clock()

        def closed(one: Incident) -> Incident:
            if one.closed_at is not None:
                return one
            after = replace(one, closed_at=now, state=state)
            return after.acted("release", release, now) if release else after

        incident = await self._incidents.change(incident_id, closed)
        if incident is not None and incident.agent_id:
            self._tell("incident.closed", incident, {"state": incident.state}, ":closed")
        elif incident is not None:
            where = {name: incident.detail.get(name) for name in ("provider", "model")}
            self._tell("incident.closed", incident, where)

    def _tell(self, kind: str, incident: Incident, more: dict[str, Any], once: str = "") -> None:
        data = {"incident_id": incident.incident_id, **more}
        if not incident.agent_id:
            self._notify(kind, data)
            return
        data = {"agent_id": incident.agent_id, **data}
        self._notify(kind, data)
        self._alert(kind, data, incident.incident_id + once)
