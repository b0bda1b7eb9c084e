"""What is opened and closed is told, whoever does it, in one form."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.background.keep_incidents import KeepIncidents
from gateway.immune.incident import Incident
from gateway.store.incidents import Incidents
from tests.background.healing import Told
from tests.store.test_control import replica

ILL = Incident("inc_1", "agt_1", 4.0, state="SUSPECTED", reason="odd")
WHERE = {"provider": "acme", "model": "m-1"}
OUTAGE = Incident("inc_2", "", 4.0, state="external_cause", detail={**WHERE, "alarming": 3, "agents": 4})


class Kept(KeepIncidents):
    def __init__(self, incidents: Incidents) -> None:
        self.told, self.all = Told(), incidents
        super().__init__(
            incidents,
            notify=lambda kind, data: self.told.events.append((kind, data)),
            alert=lambda kind, data, once: self.told.alerts.append((kind, data, once)),
            clock=lambda: 9.0,
        )


@pytest.fixture
async def keep(redis_url: str) -> AsyncIterator[Kept]:
    async with replica(redis_url) as control:
        yield Kept(Incidents(control._connection, clock=lambda: 9.0, keep_seconds=60))


async def test_an_agents_incident_is_told_to_events_and_webhooks_and_opened_once(keep: Kept) -> None:
    assert await keep.open(ILL) == ILL
    again = replace(ILL, opened_at=5.0, state="DRAINING")
    assert (await keep.open(again, lambda one: replace(one, state="DRAINING"))).state == "DRAINING"
    await keep.close("inc_1", "HEALTHY")
    named = {"agent_id": "agt_1", "incident_id": "inc_1"}
    opened, closed = {**named, "state": "SUSPECTED", "reason": "odd"}, {**named, "state": "HEALTHY"}
    assert keep.told.events == [("incident.opened", opened), ("incident.closed", closed)]
    assert keep.told.alerts == [
        ("incident.opened", opened, "inc_1"),
        ("incident.closed", closed, "inc_1:closed"),
    ]


async def test_who_did_it_is_noted_and_not_told(keep: Kept) -> None:
    await keep.open(ILL, by="adk_kim")
    assert keep.told.events[0][1]["reason"] == "odd"
    for why in ("fixed", "fixed again"):
        await keep.close("inc_1", "PROBATION", release=why)
    found = await keep.all.get("inc_1")
    assert found is not None and (found.reason, found.closed_at, found.state) == ("odd (adk_kim)", 9.0, "PROBATION")
    assert [(one.action, one.outcome, one.at) for one in found.actions] == [("release", "fixed", 9.0)]


async def test_webhooks_hear_nothing_of_what_is_nobodys_illness(keep: Kept) -> None:
    await keep.open(OUTAGE)
    await keep.close("inc_2", "over")
    assert keep.told.events == [
        ("incident.opened", {"incident_id": "inc_2", "cause": "external_cause", **OUTAGE.detail}),
        ("incident.closed", {"incident_id": "inc_2", **WHERE}),
    ]
    assert keep.told.alerts == []


async def test_what_was_never_opened_is_not_closed(keep: Kept) -> None:
    await keep.close("inc_9", "HEALTHY")
    assert keep.told == Told()
