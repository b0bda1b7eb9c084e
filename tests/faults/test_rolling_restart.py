"""Replicas are replaced one after the other under load: no answer is cut, none is refused, each is counted once."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.faults.balancer import Balancer
from tests.faults.figures import Figures, Stopwatch
from tests.faults.world import Pool, address, chat, request, settled, until
from tests.support.gateway import GatewayProcess, fork_gateway
from tests.support.raw_http import RawConnection

EVENTS = 20
STREAM = request(document=chat("stub-slow", stream=True, stub={"events": EVENTS, "delay_ms": 50}))
WHOLE = request(document=chat())


@dataclass
class Seen:
    """What the clients of the balancer saw. `again` counts requests sent once more, after a kept connection closed."""

    streams: int = 0
    wholes: int = 0
    again: int = 0
    troubles: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)


async def one_stream(balancer: Balancer, seen: Seen) -> None:
    try:
        async with await RawConnection.open(balancer.address) as connection:
            await connection.send(STREAM)
            said = await connection.response()
    except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
        seen.troubles.append(f"stream: {error!r}")
        return
    seen.streams += 1
    if not (said.status == 200 and said.whole and said.body.endswith(b"data: [DONE]\n\n")):
        seen.troubles.append(f"stream: {said}")


async def stream_on(balancer: Balancer, seen: Seen) -> None:
    while not seen.over.is_set():
        await one_stream(balancer, seen)


async def ask_on(balancer: Balancer, seen: Seen) -> None:
    """Whole answers over a kept connection, as the SDKs do: one that closes before it answers is replaced once."""
    async with Pool(balancer.address) as pool:
        while not seen.over.is_set():
            try:
                kept = pool.idle > 0
                said = await pool.ask(WHOLE)
            except (OSError, asyncio.IncompleteReadError):
                if not kept:
                    seen.troubles.append("a new connection was closed without an answer")
                seen.again += 1
                continue
            seen.wholes += 1
            if said.status != 200:
                seen.troubles.append(f"whole: {said}")
            await asyncio.sleep(0.02)


async def replace(balancer: Balancer, replicas: list[GatewayProcess], start: Callable[[], GatewayProcess]) -> float:
    """Stop the oldest replica as an orchestrator does, then start another; the seconds its stop took."""
    old = replicas.pop(0)
    watch = Stopwatch()
    assert await asyncio.to_thread(old.stop, signal.SIGTERM) == 0
    assert "Traceback" not in old.output, old.output
    stopped_after = watch.seconds
    balancer.backends.remove(address(old))
    new = await asyncio.to_thread(start)
    replicas.append(new)
    balancer.backends.append(address(new))
    await until(lambda: address(new) in balancer.ready)
    return stopped_after


async def roll(redis_url: str, *, count: int, restarts: int, streams: int, asking: int) -> tuple[Seen, list[float]]:
    """Replace `restarts` of `count` replicas in turn, under so many endless streams and askers."""

    def start() -> GatewayProcess:
        return fork_gateway("--stub", env={"GATEWAY_REDIS_URL": redis_url})

    seen, stops = Seen(), []
    replicas = list(await asyncio.gather(*(asyncio.to_thread(start) for _ in range(count))))
    try:
        async with Balancer() as balancer:
            balancer.backends += map(address, replicas)
            await until(lambda: len(balancer.ready) == count)
            async with asyncio.TaskGroup() as group:
                for _ in range(streams):
                    group.create_task(stream_on(balancer, seen))
                for _ in range(asking):
                    group.create_task(ask_on(balancer, seen))
                await until(lambda: seen.streams >= streams // 2)
                for _ in range(restarts):
                    stops.append(await replace(balancer, replicas, start))
                seen.over.set()
            assert not balancer.refused
            await settled(replicas[0], seen.streams + seen.wholes)
    finally:
        for replica in replicas:
            replica.process.kill()
            replica.process.wait()
    assert not seen.troubles, seen.troubles[:5]
    return seen, stops


@pytest.mark.faults
@pytest.mark.timeout(600)
async def test_a_rolling_restart_of_three_replicas_breaks_no_answer(redis_url: str, figures: Figures) -> None:
    seen, stops = await roll(redis_url, count=3, restarts=9, streams=150, asking=10)
    figures.note(
        "rolling restarts of three replicas",
        restarts=len(stops),
        streams=seen.streams,
        whole_answers=seen.wholes,
        resets_and_truncations=len(seen.troubles),
        sent_again_on_a_new_connection=seen.again,
        slowest_stop_s=max(stops),
    )
