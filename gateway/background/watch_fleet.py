"""Asks about all agents of a provider's model before one of them is taken for ill: what they share may be."""

from collections.abc import Callable, Mapping

from gateway.background.keep_incidents import KeepIncidents
from gateway.immune.evidence import is_shared
from gateway.immune.fleet import AtWork, Group, is_external
from gateway.immune.incident import Incident, incident_id_of
from gateway.immune.record import Record
from gateway.immune.settings import FleetSettings
from gateway.model.value import value
from gateway.store.fleet import Fleet

_COMPANY = 3
"""So few agents are no fleet: whether their provider is the cause cannot be told by asking the others."""


@value
class Shared:
    """What the fleet says of one group."""

    external: bool = False
    company: bool = False


ALONE = Shared()


class WatchFleet:
    """Keeps who is at work and who alarms, by provider and model, over all replicas.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(
        self, fleet: Fleet, incidents: KeepIncidents, *, clock: Callable[[], float], settings: FleetSettings
    ) -> None:
        self._fleet = fleet
        self._incidents = incidents
        self._clock = clock
        self._settings = settings

    async def seen(self, groups: Mapping[Group, AtWork[set[str]]]) -> dict[Group, Shared]:
        """Note which agents were at work and which of them alarmed on what a provider can cause; what follows.

        Raises StoreUnavailable.
        """
        if not groups:
            return {}
        now, found = self._clock(), {}
        for group, many in (await self._fleet.seen(groups, now)).items():
            external = is_external(many.alarming, many.active, self._settings, known=many.known)
            found[group] = Shared(external, many.active >= _COMPANY)
            if external and groups[group].alarming:
                await self._trouble(group, many.alarming, many.active, now)
        return found

    async def of(self, record: Record) -> Shared:
        """What the fleet says now of the provider and model that the findings about an agent name."""
        models = {finding.model or "" for finding in record.course.findings if is_shared(finding)}
        troubled = await self._fleet.external()
        return Shared(any(group[1] in models for group in troubled), True)

    async def over(self) -> None:
        """Close the incidents of providers that are well again. Raises StoreUnavailable."""
        now = self._clock()
        for group, (since, until) in (await self._fleet.external()).items():
            if until <= now:
                await self._incidents.close(incident_id_of(*group, repr(since)), "over")
                await self._fleet.end_external(group)

    async def _trouble(self, group: Group, alarming: int, active: int, now: float) -> None:
        since = await self._fleet.set_external(group, now, now + self._settings.window_seconds)
        if since < now:
            return
        detail = {"provider": group[0], "model": group[1], "alarming": alarming, "agents": active}
        incident = Incident(
            incident_id_of(*group, repr(since)), "", since, state="external_cause", reason=_reason(group), detail=detail
        )
        await self._incidents.open(incident)


def _reason(group: Group) -> str:
    return f"many agents suffer at once: {group[1] or 'requests'} at {group[0] or 'the provider'}"[:300]
