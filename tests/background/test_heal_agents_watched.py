"""Whoever watches agents and whoever heals them, together: from a finding to health again."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace

from gateway.immune.settings import Immune
from tests.background.healing import Healer, Means
from tests.background.watching import Replica, call, loop
from tests.store.test_control import replica
from tests.support.waiting import until


class Whole:
    """One replica that does both."""

    def __init__(self, watching: Replica, healer: Healer) -> None:
        self.watching, self.healer = watching, healer
        self._calls = 0

    @property
    def state(self) -> str:
        return self.watching.quarantine.state("agt_1")

    async def calls(self, number: int) -> None:
        for _ in range(number):
            self.watching.feed.vitals(replace(call("agt_1", self._calls), time=time.time()))
            self._calls += 1
        await self.watching.told()

    async def goes_in_circles(self) -> None:
        self.watching.feed.finding(loop("agt_1"))
        await self.watching.told()


@contextlib.asynccontextmanager
async def whole(url: str, settings: Immune) -> AsyncIterator[Whole]:
    async with replica(url) as control:
        watching, healer = Replica(control, settings=settings), Healer(control, Means())
        watching.act._healing = watching.watch._healing = healer.heal
        duties = [asyncio.create_task(watching.watch.run()), asyncio.create_task(_drain(watching))]
        try:
            yield Whole(watching, healer)
        finally:
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)


async def _drain(watching: Replica) -> None:
    while True:
        for life in watching.quarantine.drain_over():
            await watching.quarantine.drained(life.agent_id)
        await asyncio.sleep(0.01)


AT_ONCE = Immune(drain_seconds=0.0)


async def test_an_agent_is_healed_and_healthy_again_after_its_probation(redis_url: str) -> None:
    async with whole(redis_url, AT_ONCE) as one:
        await one.calls(40)
        await one.goes_in_circles()
        await until(lambda: one.state == "PROBATION")
        assert one.healer.prescriptions.of("agt_1").drop_history
        await one.calls(12)
        await until(lambda: "incident.closed" in [kind for kind, _ in one.watching.events])  # after the move
        life = one.watching.quarantine.of("agt_1")
        assert life is not None
        path = ["HEALTHY", "DRAINING", "QUARANTINED", "HEALING", "PROBATION", "HEALTHY"]
        assert [move.state for move in life.history] == path
        assert one.healer.prescriptions.case("agt_1") is None
        ((incident,), _) = await one.watching.incidents.page()
        assert [(done.action, done.outcome) for done in incident.actions] == [("reset_memory", "healed")]
        assert (incident.trigger, incident.state, incident.closed_at is not None) == ("auto", "HEALTHY", True)
        assert dict(await one.healer.counts.read()) == {"healed:infinite_loop:reset_memory": 1}


async def test_what_fails_on_probation_is_followed_by_the_next_remedy(redis_url: str) -> None:
    async with whole(redis_url, AT_ONCE) as one:
        await one.calls(40)
        for remedy in ("reset_memory", "revoke_tools", "reduce_autonomy"):
            await one.goes_in_circles()
            await until(lambda remedy=remedy: remedy in one.healer.prescriptions.of("agt_1").remedies)  # type: ignore[misc]
            await until(lambda: one.state == "PROBATION")
            assert one.healer.prescriptions.of("agt_1").remedies == (remedy,)
        ((incident,), _) = await one.watching.incidents.page()
        outcomes = [(done.action, done.outcome) for done in incident.actions]
        assert outcomes == [("reset_memory", "failed"), ("revoke_tools", "failed"), ("reduce_autonomy", "applied")]
        record = await one.watching.record("agt_1")
        assert len(record.memory.failed) == 2
