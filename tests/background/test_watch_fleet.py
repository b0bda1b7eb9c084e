import time
from collections.abc import AsyncIterator

import pytest

from gateway.background.watch_fleet import ALONE, Shared, WatchFleet
from gateway.immune.course import Course
from gateway.immune.finding import Finding
from gateway.immune.record import new_record
from gateway.immune.settings import FleetSettings
from tests.background.watching import Replica, watching
from tests.store.test_fleet import at_work

GROUP = ("acme", "m-1")


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def one(redis_url: str) -> AsyncIterator[Replica]:
    async with watching(redis_url, runs=False) as replica:
        yield replica


def fleet(one: Replica, clock: Clock) -> WatchFleet:
    return WatchFleet(one.fleet, one.keep, clock=clock, settings=FleetSettings())


async def test_one_that_alarms_among_many_is_no_provider_in_trouble(one: Replica) -> None:
    clock = Clock()
    watch = fleet(one, clock)
    agents = {f"agt_{number}" for number in range(10)}
    assert await watch.seen({}) == {}
    assert await watch.seen({GROUP: at_work(agents, {"agt_0"})}) == {GROUP: Shared(external=False, company=True)}
    assert await watch.seen({("acme", "m-2"): at_work({"agt_0"}, {"agt_0"})}) == {("acme", "m-2"): ALONE}


async def test_a_provider_in_trouble_has_one_incident_until_it_is_well_again(one: Replica) -> None:
    clock = Clock()
    watch = fleet(one, clock)
    agents = {f"agt_{number}" for number in range(10)}
    for _ in range(3):
        assert (await watch.seen({GROUP: at_work(agents, agents)}))[GROUP].external
        await watch.over()
        clock.now += 1
    assert [kind for kind, _ in one.events] == ["incident.opened"]
    assert one.events[0][1]["alarming"] == 10
    finding = Finding("high_retry_rate", "retries", None, clock.now, "agt_0", "req_1", "m-1")
    record = new_record("agt_0", clock.now)
    record.course = Course("SUSPECTED").after([finding], clock.now, call=True)
    assert (await watch.of(record)).external
    clock.now += 120
    await watch.over()
    assert [kind for kind, _ in one.events] == ["incident.opened", "incident.closed"]
    assert not (await watch.of(record)).external
    found, _ = await one.incidents.page(limit=10)
    assert [(incident.agent_id, incident.state) for incident in found] == [("", "over")]


async def test_newcomers_blame_no_provider_without_as_many_that_were_known(one: Replica) -> None:
    watch, model = fleet(one, Clock()), ("acme", "a model that nobody else uses")
    puppets = {f"puppet_{number}" for number in range(20)}
    assert not (await watch.seen({model: at_work(puppets, puppets, set())}))[model].external
    assert not (await watch.seen({model: at_work({"ill"}, {"ill"})}))[model].external
    assert (await watch.seen({model: at_work({"one", "two"}, {"one", "two"})}))[model].company
    mixed, known = {f"agt_{number}" for number in range(10)}, {"agt_0", "agt_1", "agt_2"}
    assert (await watch.seen({GROUP: at_work(mixed, mixed, known)}))[GROUP].external
