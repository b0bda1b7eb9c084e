import asyncio

from gateway.background.end_drains import end_drains
from gateway.model.lifecycle import Life
from tests.store.test_control import replica
from tests.store.test_quarantine import over
from tests.support.redis import RedisServer
from tests.support.waiting import until


async def test_streams_of_an_agent_whose_time_is_over_are_cut_and_all_are_told(own_redis: RedisServer) -> None:
    async with replica(own_redis.url, op_timeout=0.2) as control:
        quarantine, cut = over(control), list[Life]()
        duty = asyncio.create_task(end_drains(quarantine, cut.append, tick=0.01))
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
        duty.cancel()
        await asyncio.gather(duty, return_exceptions=True)
