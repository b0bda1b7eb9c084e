"""Redis is lost under load: every request is answered all the same, and what was counted meanwhile is counted."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.faults.figures import Figures, milliseconds
from tests.faults.world import (
    Load,
    Pool,
    address,
    agents,
    ask,
    chat,
    gateway_process,
    paced,
    request,
    settled,
    until,
)
from tests.store.faults import FaultProxy
from tests.support.gateway import ADMIN_KEY, GatewayProcess
from tests.support.redis import RedisServer

AGENTS = 40
READYZ = request("/readyz", method="GET")


def numbered(number: int) -> bytes:
    return request(document=chat(), x_agent_id=f"agent-{number % AGENTS}")


@dataclass
class Run:
    """A gateway under load, and the Redis it depends on."""

    gateway: GatewayProcess
    redis: RedisServer
    over: asyncio.Event = field(default_factory=asyncio.Event)
    missed: list[float] = field(default_factory=list)
    found: list[float] = field(default_factory=list)

    async def says(self, status: str) -> bool:
        answer = await ask(self.gateway, READYZ)
        assert answer.status == 200  # without Redis the gateway is still worth sending traffic to
        return bool(answer.json()["status"] == status)

    async def lose(self, how: Callable[[], object]) -> None:
        await asyncio.to_thread(how)
        self.missed.append(await until(lambda: self.says("degraded")))

    async def find(self, how: Callable[[], object]) -> None:
        await asyncio.to_thread(how)
        self.found.append(await until(lambda: self.says("ok")))


@asynccontextmanager
async def under_load(redis: RedisServer, rate: float, url: str = "") -> AsyncIterator[tuple[Run, "asyncio.Task[Load]"]]:
    assert redis.ask("CONFIG", "SET", "appendfsync", "no") == b"+OK\r\n"
    async with gateway_process(url or redis.url, "--stub") as gateway, Pool(address(gateway)) as pool:
        run = Run(gateway, redis)
        loading = asyncio.create_task(paced(pool, numbered, rate=rate, over=run.over))
        try:
            yield run, loading
        finally:
            run.over.set()
            await loading


def unharmed(load: Load) -> None:
    """Nobody noticed but by the header that says so."""
    assert load.statuses.keys() == {200}, load.statuses
    assert not load.broken
    assert max(load.seconds) < 2


async def all_counted(run: Run, load: Load, *, earlier: int = 0) -> None:
    """In the totals and at its agent, each exchange once. The totals may be a flush ahead of the agents.

    On a busy machine up to `earlier` others may have been told again, because Redis's answer seemed lost.
    """
    await settled(run.gateway, load.requests)
    counted = 0

    async def all_there() -> bool:
        nonlocal counted
        found = await agents(run.gateway)
        counted = sum(agent["requests"] for agent in found)
        return len(found) == min(AGENTS, load.requests) and counted >= load.requests

    await until(all_there, lambda: f"{counted} of {load.requests} exchanges are with their agents")
    assert load.requests <= counted <= load.requests + earlier


def freeze_and_kill(redis: RedisServer) -> None:
    redis.freeze()
    redis.kill()


def start(redis: RedisServer) -> None:
    """Start it so that a kill loses nothing that it has confirmed: it writes at once, and fsync never holds it up."""
    redis.start()
    assert redis.ask("CONFIG", "SET", "appendfsync", "no") == b"+OK\r\n"


LOSSES: dict[str, tuple[Callable[[RedisServer], None], Callable[[RedisServer], None]]] = {
    "killed": (RedisServer.kill, start),
    "frozen": (RedisServer.freeze, RedisServer.thaw),
    "frozen, then killed": (freeze_and_kill, start),
}
every_loss = pytest.mark.parametrize("loss", list(LOSSES))


async def lose_and_find(redis: RedisServer, loss: str, *, times: int, rate: float, seconds: float) -> tuple[Run, Load]:
    lose, find = LOSSES[loss]
    async with under_load(redis, rate) as (run, loading):
        for _ in range(times):
            await asyncio.sleep(seconds)
            await run.lose(lambda: lose(redis))
            await asyncio.sleep(seconds)
            await run.find(lambda: find(redis))
        await asyncio.sleep(seconds)
        run.over.set()
        load = await loading
        unharmed(load)
        assert 0 < load.degraded < load.requests
        await all_counted(run, load)
    return run, load


@pytest.mark.parametrize("loss", ["killed", "frozen"])
async def test_requests_pass_while_redis_is_lost_and_are_counted_when_it_is_back(
    own_redis: RedisServer, loss: str
) -> None:
    await lose_and_find(own_redis, loss, times=1, rate=100, seconds=0.3)


@pytest.mark.faults
@every_loss
async def test_redis_is_lost_again_and_again_under_load(own_redis: RedisServer, loss: str, figures: Figures) -> None:
    run, load = await lose_and_find(own_redis, loss, times=8, rate=200, seconds=2)
    figures.note(
        f"redis {loss}, at 200 requests a second",
        faults=8,
        requests=load.requests,
        answered_200=load.statuses[200],
        answered_while_degraded=load.degraded,
        counted_afterwards=load.requests,
        **milliseconds(load.seconds),
        **milliseconds(run.missed, "noticed_"),
        **milliseconds(run.found, "recovered_"),
    )


async def test_the_added_wait_is_bounded_for_every_request(own_redis: RedisServer) -> None:
    """The same load with Redis and without it; most answers take as long."""
    async with gateway_process(own_redis.url, "--stub") as gateway, Pool(address(gateway)) as pool:
        with_redis = await paced(pool, numbered, rate=100, over=0.6)
        own_redis.freeze()
        without = await paced(pool, numbered, rate=100, over=0.6)
        for path in ("/api/gateway/stats", "/api/gateway/agents", "/api/gateway/agents/agt_x"):
            said = await ask(gateway, request(path, method="GET", x_admin_key=ADMIN_KEY))
            assert (said.status, said.header("retry-after")) == (503, "1")  # what is kept there cannot be known now
        own_redis.thaw()
        await settled(gateway, with_redis.requests + without.requests)
    unharmed(with_redis)
    unharmed(without)
    assert sum(seconds < 0.1 for seconds in without.seconds) > 0.9 * without.requests


async def test_an_empty_redis_gets_what_was_counted_since_it_was_lost(own_redis: RedisServer) -> None:
    def restart_empty() -> None:
        for path in own_redis.directory.glob("append*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        own_redis.start()

    async with gateway_process(own_redis.url, "--stub") as gateway, Pool(address(gateway)) as pool:
        before = await paced(pool, numbered, rate=100, over=0.4)
        await settled(gateway, before.requests)
        run = Run(gateway, own_redis)
        await run.lose(own_redis.kill)
        without = await paced(pool, numbered, rate=100, over=0.6)
        await run.find(restart_empty)
        after = await paced(pool, numbered, rate=100, over=0.4)
        for load in (before, without, after):
            unharmed(load)
        assert without.degraded == without.requests
        await all_counted(run, Load({200: without.requests + after.requests}, []), earlier=before.requests)


async def test_a_redis_that_misbehaves_harms_no_request(own_redis: RedisServer) -> None:
    async with (
        FaultProxy(own_redis.url) as proxy,
        under_load(own_redis, 100, f"redis://127.0.0.1:{proxy.port}") as (run, loading),
    ):
        proxy.delay = 0.2
        await until(lambda: run.says("degraded"))
        proxy.delay = 0.0
        for fault in ("garbage", "swap", "cut"):
            proxy.fault, proxy.spoiled = fault, 0
            await until(lambda: proxy.spoiled)
        proxy.fault = ""
        await until(lambda: run.says("ok"))
        run.over.set()
        load = await loading
        unharmed(load)
        await all_counted(run, load)


async def test_a_redis_without_memory_or_scripts_harms_no_request(own_redis: RedisServer) -> None:
    async with under_load(own_redis, 100) as (run, loading):
        await run.lose(lambda: own_redis.ask("CONFIG", "SET", "maxmemory", "1"))
        await asyncio.sleep(0.3)
        await run.find(lambda: own_redis.ask("CONFIG", "SET", "maxmemory", "0"))
        for _ in range(20):
            assert await asyncio.to_thread(own_redis.ask, "SCRIPT", "FLUSH") == b"+OK\r\n"
            assert await run.says("ok")
            await asyncio.sleep(0.02)
        run.over.set()
        load = await loading
        unharmed(load)
        await all_counted(run, load)
