import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Collection

from gateway.background.end_drains import EndDrains
from gateway.model.lifecycle import Life
from gateway.store.control import Control
from gateway.store.quarantine import Quarantine
from gateway.store.running import Running
from tests.store.test_control import replica
from tests.store.test_quarantine import over
from tests.support.redis import RedisServer
from tests.support.waiting import until


@contextlib.asynccontextmanager
async def ending(control: Control, runs: Collection[str], cut: list[Life]) -> AsyncIterator[Quarantine]:
    """A replica where exchanges of the agents in `runs` are under way."""
    quarantine = over(control)
    running = Running(control._connection, control.replica)
    duty = asyncio.create_task(
        EndDrains(
            quarantine,
            control,
            running,
            cut=cut.append,
            runs=lambda agent_id: agent_id in runs,
            clock=time.monotonic,
            tick=0.01,
        ).run()
    )
    try:
        yield quarantine
    finally:
        duty.cancel()
        await asyncio.gather(duty, return_exceptions=True)


async def test_streams_of_an_agent_whose_time_is_over_are_cut_and_all_are_told(own_redis: RedisServer) -> None:
    cut: list[Life] = []
    async with (
        replica(own_redis.url, op_timeout=0.2) as control,
        ending(control, {"agt_1", "agt_2", "agt_late"}, cut) as quarantine,
    ):
        late, _ = await quarantine.block("agt_late", "odd", "root", drain_seconds=3600)
        await quarantine.block("agt_1", "odd", "root", drain_seconds=0.05)
        await until(lambda: quarantine.state("agt_1") == "QUARANTINED")
        assert {life.agent_id for life in cut} == {"agt_1"}
        assert quarantine.of("agt_late") == late
        # Without Redis they are cut all the same, and it is said when Redis is back.
        await quarantine.block("agt_2", "odd", "root", drain_seconds=0.3)
        own_redis.freeze()
        await until(lambda: "agt_2" in {life.agent_id for life in cut})
        assert quarantine.state("agt_2") == "DRAINING"
        own_redis.thaw()
        await until(lambda: quarantine.state("agt_2") == "QUARANTINED")


async def test_a_drain_is_over_as_soon_as_no_replica_has_anything_left_to_end(redis_url: str) -> None:
    here: set[str] = set()
    there = {"agt_1"}
    cut: list[Life] = []
    async with (
        replica(redis_url) as one,
        replica(redis_url) as other,
        ending(one, here, cut) as quarantine,
        ending(other, there, cut),
    ):
        await quarantine.block("agt_1", "odd", "root", drain_seconds=3600)
        await quarantine.block("agt_2", "odd", "root", drain_seconds=3600)
        await until(lambda: quarantine.state("agt_2") == "QUARANTINED")
        assert quarantine.state("agt_1") == "DRAINING"
        there.clear()
        await until(lambda: quarantine.state("agt_1") == "QUARANTINED")
    assert cut == []
