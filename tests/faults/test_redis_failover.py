"""The Redis behind a gateway under load fails over: everybody is answered all the same, and it is found again."""

import asyncio
from collections.abc import Callable

import pytest

from tests.faults.figures import Figures, milliseconds
from tests.faults.test_redis_loss import numbered, unharmed
from tests.faults.world import Load, Pool, address, agents, ask, gateway_process, paced, request, settled, until
from tests.support.gateway import ADMIN_KEY
from tests.support.redis_sets import ClusterSet, Member, SentinelSet, eventually

READYZ = request("/readyz", method="GET")


async def lose_a_master(url: str, masters: Callable[[], Member], *, times: int = 1, rate: float = 100) -> Load:
    """Kill the master `times` times, each time start it again as what it is by then."""
    async with gateway_process(url, "--stub") as gateway, Pool(address(gateway)) as pool:

        async def says(status: str) -> bool:
            answer = await ask(gateway, READYZ)
            assert answer.status == 200
            return bool(answer.json()["status"] == status)

        over = asyncio.Event()
        await until(lambda: says("ok"))
        loading = asyncio.create_task(paced(pool, numbered, rate=rate, over=over))
        for _ in range(times):
            await asyncio.sleep(0.3)
            master = await asyncio.to_thread(masters)
            await asyncio.to_thread(master.kill)
            await until(lambda: says("degraded"))
            await until(lambda: says("ok"))
            await asyncio.to_thread(master.start)
        await asyncio.sleep(0.3)
        over.set()
        load = await loading
        unharmed(load)
        assert 0 < load.degraded < load.requests
        # Not `settled`: what a master had confirmed and not passed on is lost with it, and counted in vain.
        found = await agents(gateway)
        assert sum(agent["requests"] for agent in found) > 0
        said = await ask(gateway, request("/api/gateway/stats", method="GET", x_admin_key=ADMIN_KEY))
        assert said.status == 200
    return load


async def test_a_master_under_sentinels_is_killed(sentinels: SentinelSet) -> None:
    await lose_a_master(sentinels.url, lambda: sentinels.master)


async def test_a_master_of_a_cluster_is_killed(own_cluster: ClusterSet) -> None:
    await lose_a_master(own_cluster.url, lambda: own_cluster.masters[0])


@pytest.mark.faults
async def test_masters_are_killed_again_and_again_under_load(sentinels: SentinelSet, figures: Figures) -> None:
    def caught_up() -> Member:
        """The master, once the other server could take its place."""
        eventually(lambda: sentinels.master.redis.role()[2])
        return sentinels.master

    load = await lose_a_master(sentinels.url, caught_up, times=10, rate=200)
    figures.note(
        "redis master killed under sentinels, at 200 requests a second",
        faults=10,
        requests=load.requests,
        answered_200=load.statuses[200],
        answered_while_degraded=load.degraded,
        **milliseconds(load.seconds),
    )


async def test_in_a_cluster_everything_is_counted_once(shared_cluster: ClusterSet) -> None:
    async with gateway_process(shared_cluster.url, "--stub") as gateway, Pool(address(gateway)) as pool:
        load = await paced(pool, numbered, rate=200, over=0.5)
        unharmed(load)
        await settled(gateway, load.requests)

        async def all_there() -> bool:  # the totals may be a flush ahead of the agents
            return sum(agent["requests"] for agent in await agents(gateway)) == load.requests

        await until(all_there)
        assert not [line for line in gateway.lines if "CROSSSLOT" in line or "refused" in line]
