import asyncio
import time
from dataclasses import replace

from gateway.immune.moves import healing, treated
from gateway.immune.settings import Immune
from gateway.store.keys import partition_of
from tests.background.watching import call, loop, watching
from tests.support.redis import RedisServer
from tests.support.waiting import until


async def caught_up(one, agent_id: str, calls: int) -> None:
    """Everything told of an agent has been watched and is kept."""
    await one.told()
    async with asyncio.timeout(10):
        while True:
            record = await one.watched.record(agent_id)
            if record is not None and record.state.calls >= calls:
                return
            await asyncio.sleep(0.01)


async def test_an_agent_that_does_well_becomes_healthy_and_all_of_it_is_kept(redis_url: str) -> None:
    async with watching(redis_url) as one:
        for place in range(60):
            one.feed.vitals(call("agt_1", place))
        await caught_up(one, "agt_1", 60)
        record = await one.record("agt_1")
        assert (record.life.state, record.state.warm, record.good.model) == ("HEALTHY", True, "m-1")
        assert one.quarantine.of("agt_1") is None
        summary = (await one.watched.summaries(["agt_1"]))["agt_1"]
        assert summary.state == "HEALTHY"
        assert [kind for kind, _ in one.events] == ["lifecycle"]


async def test_hard_evidence_blocks_an_agent_and_opens_its_incident(redis_url: str) -> None:
    async with watching(redis_url) as one, watching(redis_url, runs=False) as other:
        for place in range(40):
            one.feed.vitals(call("agt_1", place))
        await caught_up(one, "agt_1", 40)
        one.feed.finding(loop("agt_1"))
        await one.told()
        await until(lambda: "agt_1" in other.quarantine.blocked)
        life = other.quarantine.blocked["agt_1"]
        assert life.state == "DRAINING" and life.by == "gateway" and life.reason.startswith("tool_loop")
        assert life.credential_id == "crd_agt_1"
        assert [move.state for move in life.history] == ["HEALTHY", "DRAINING"]
        await until(lambda: ("incident.opened", life.incident_id) in one.alerts)
        assert life.incident_id is not None
        incident = await other.incidents.get(life.incident_id)
        assert incident is not None and incident.closed_at is None
        assert [finding.type for finding in incident.findings] == ["tool_loop"]
        assert incident.diagnoses[0].cause == "infinite_loop"
        assert any(entry.action == "find:tool_loop" for entry in one.audit)
        await until(lambda: "agt_1" in one.healing.looked)


async def test_loops_that_come_again_in_each_new_conversation_slow_the_agent_down(redis_url: str) -> None:
    async with watching(redis_url) as one:
        for place in range(40):
            one.feed.vitals(call("agt_1", place))
        await caught_up(one, "agt_1", 40)
        for talk in range(3):
            one.feed.finding(replace(loop("agt_1", hard=False), conversation=f"again {talk}"))
        await one.told()
        await until(lambda: one.prescriptions.case("agt_1") is not None)
        assert (one.prescriptions.case("agt_1").throttled or "").startswith("tool_loop")
        assert one.quarantine.blocked == {}


async def test_nobody_is_blocked_in_shadow_and_everything_is_told(redis_url: str) -> None:
    async with watching(redis_url, settings=Immune(mode="shadow")) as one:
        for place in range(40):
            one.feed.vitals(call("agt_1", place))
        one.feed.finding(loop("agt_1"))
        await one.told()
        await until(lambda: any(kind == "immune.alert" for kind, _ in one.events))
        assert one.quarantine.blocked == {}


async def test_an_agent_that_never_did_well_is_not_kept(redis_url: str) -> None:
    async with watching(redis_url) as one:
        for place in range(20):
            one.feed.vitals(call("agt_bad", place, status=401))
        one.feed.vitals(call("agt_1", 0))
        await caught_up(one, "agt_1", 1)
        last = one.partitions
        await one.told()
        entry = await one.feed.append("agt_bad", {"do": "nothing"})
        assert await last.passed("agt_bad", entry, 5)
        assert (await one.watched.record("agt_bad")) is not None  # an order may be about it: it exists
        assert (await one.record("agt_bad")).state.calls == 0


async def test_when_the_holder_dies_another_goes_on_and_counts_everything_once(redis_url: str) -> None:
    agents = [f"agt_{number}" for number in range(12)]
    async with watching(redis_url, replicas=2) as other:
        async with watching(redis_url, replicas=2) as one:
            await until(lambda: len(one.partitions.held) == len(other.partitions.held) == 4)
            for place in range(30):
                for agent_id in agents:
                    one.feed.vitals(call(agent_id, place))
                await one.told()
            one.partitions.release = nothing  # as if it were killed: its leases have to run out
        for place in range(30, 40):
            for agent_id in agents:
                other.feed.vitals(call(agent_id, place))
        for agent_id in agents:
            await caught_up(other, agent_id, 40)
            assert (await other.record(agent_id)).state.calls == 40
        assert len({partition_of(agent_id) for agent_id in agents}) > 4


async def nothing() -> None:
    pass


async def test_redis_away_for_a_while_loses_nothing_and_counts_nothing_twice(own_redis: RedisServer) -> None:
    async with watching(own_redis.url) as one:
        for place in range(20):
            one.feed.vitals(call("agt_1", place))
        await caught_up(one, "agt_1", 20)
        for pause in range(3):
            for place in range(20 + 10 * pause, 30 + 10 * pause):
                one.feed.vitals(call("agt_1", place))
            own_redis.freeze()
            await asyncio.to_thread(own_redis.thaw)
            await caught_up(one, "agt_1", 30 + 10 * pause)
        assert (await one.record("agt_1")).state.calls == 50


async def test_when_a_provider_fails_for_all_nobody_is_blocked_and_its_incident_says_so(redis_url: str) -> None:
    agents = [f"agt_{number}" for number in range(10)]
    async with watching(redis_url) as one:
        for agent_id in agents:
            for place in range(40):
                one.feed.vitals(call(agent_id, place))
        for agent_id in agents:
            await caught_up(one, agent_id, 40)
        for place in range(40, 60):
            for agent_id in agents:
                one.feed.vitals(call(agent_id, place, status=503, error_type="upstream_unavailable"))
            await one.told()
        await until(lambda: any(data.get("cause") == "external_cause" for _, data in one.events))
        assert one.quarantine.blocked == {}
        found, _ = await one.incidents.page(limit=100)
        assert [incident.detail["provider"] for incident in found if not incident.agent_id] == ["acme"]


async def test_an_operator_says_what_is_normal_now(redis_url: str) -> None:
    async with watching(redis_url) as one:
        for place in range(40):
            one.feed.vitals(call("agt_1", place))
        await caught_up(one, "agt_1", 40)
        entry = await one.feed.append("agt_1", {"do": "accept"})
        assert await one.partitions.passed("agt_1", entry, 5)
        assert (await one.record("agt_1")).state.calls == 0


async def test_of_statistical_evidence_no_more_than_a_share_is_blocked(redis_url: str) -> None:
    settings = Immune(sigma_action="quarantine")
    async with watching(redis_url, settings=settings, many=10) as one:
        agents = [f"agt_{number}" for number in range(4)]
        for agent_id in agents:
            for place in range(60):
                one.feed.vitals(call(agent_id, place))
            await caught_up(one, agent_id, 60)
        for place in range(60, 72):
            for agent_id in agents:
                one.feed.vitals(call(agent_id, place, output_tokens=20_000))
        await one.told()
        await until(lambda: sum(one.prescriptions.case(agent_id) is not None for agent_id in agents) == 3)
        assert len(one.quarantine.blocked) == 1
        assert all(life.sigma for life in one.quarantine.blocked.values())


async def test_what_an_agent_did_before_its_treatment_is_not_held_against_it(redis_url: str) -> None:
    async with watching(redis_url) as one:
        for place in range(40):
            one.feed.vitals(call("agt_1", place))
        await caught_up(one, "agt_1", 40)
        late = loop("agt_1")
        one.feed.finding(loop("agt_1"))
        await one.told()
        await until(lambda: "agt_1" in one.quarantine.blocked)
        await one.quarantine.drained("agt_1")
        await one.quarantine.change("agt_1", lambda life: healing(life, time.time(), "auto"))
        await one.quarantine.change("agt_1", lambda life: treated(life, time.time(), "reset_memory"))
        one.feed.finding(late)
        await one.told()
        entry = await one.feed.append("agt_1", {"do": "nothing"})
        assert await one.partitions.passed("agt_1", entry, 5)
        assert one.quarantine.state("agt_1") == "PROBATION"
        one.feed.finding(loop("agt_1"))
        await one.told()
        await until(lambda: one.quarantine.state("agt_1") != "PROBATION")
