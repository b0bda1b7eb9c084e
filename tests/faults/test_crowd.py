"""Many at once: thousands of streams that wait, and one agent that floods while others behave."""

import asyncio
import json
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.figures import Figures, Stopwatch, milliseconds
from tests.faults.providers import Idling, Provider, providing
from tests.faults.world import (
    Load,
    Pool,
    address,
    admin,
    chat,
    descriptors,
    gateway_process,
    paced,
    pulse,
    request,
    resident,
    until,
)
from tests.support.chat_streams import DONE
from tests.support.gateway import GatewayProcess
from tests.support.raw_http import RawConnection

STREAM = request(document=chat("m", stream=True, stream_options={"include_usage": True}))


# -- streams that wait


def room_for(wanted: int) -> None:
    """Lift this process's limit of descriptors, which the gateway inherits, or skip."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"{wanted} file descriptors are needed, {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


async def begin_stream(gateway: GatewayProcess) -> RawConnection:
    """The client of a stream whose first event has come."""
    client = await RawConnection.open(address(gateway))
    await client.send(STREAM)
    assert (await client.response_head())[0] == 200
    await client.reader.readuntil(b"\n\n")
    return client


async def begin_streams(gateway: GatewayProcess, count: int) -> list[RawConnection]:
    clients: list[RawConnection] = []

    async def some(number: int) -> None:
        for _ in range(number):
            clients.append(await begin_stream(gateway))

    async with asyncio.TaskGroup() as group:
        for _ in range(50):
            group.create_task(some(count // 50))
    return clients


def leave(clients: list[RawConnection]) -> None:
    for client in clients:
        client.writer.transport.abort()


@asynccontextmanager
async def churn(gateway: GatewayProcess) -> AsyncIterator[list[float]]:
    """Clients that begin a stream and leave, one after the other; the seconds to each first event."""
    seconds: list[float] = []
    over = False

    async def come_and_go() -> None:
        while not over:
            watch = Stopwatch()
            client = await begin_stream(gateway)
            seconds.append(watch.seconds)
            await client.close()

    coming = asyncio.create_task(come_and_go())
    try:
        yield seconds
    finally:
        over = True
        await coming


@dataclass
class Felt:
    """What others felt while streams waited, and what those cost."""

    bytes_each: float
    probe: list[float]
    admin: list[float]
    first_event: list[float]


async def hold(redis_url: str, count: int, seconds: float) -> Felt:
    async with (
        providing(Idling) as (url, connected),
        gateway_process(redis_url, upstream=url) as gateway,
        AsyncExitStack() as ends,
    ):
        async with churn(gateway) as gone:  # so that all is loaded and grown that ever will be
            await until(lambda: len(gone) >= 50)
        await until(lambda: not connected)
        before, open_before = resident(gateway.pid), descriptors(gateway.pid)
        clients = await begin_streams(gateway, count)
        ends.callback(leave, clients)
        felt = Felt((resident(gateway.pid) - before) / count, [], [], [])
        async with pulse(gateway) as probe, churn(gateway) as first_event:
            watch = Stopwatch()
            while watch.seconds < seconds:
                own = Stopwatch()
                assert await admin(gateway, "/stats") is not None
                felt.admin.append(own.seconds)
                await asyncio.sleep(0.05)
        felt.probe, felt.first_event = probe.seconds, first_event
        for one in list(connected):
            one.end()
        for client in clients:
            assert DONE in await client.reader.readuntil(b"\r\n0\r\n\r\n")
            await client.close()
        await until(lambda: descriptors(gateway.pid) <= open_before)
    return felt


async def test_streams_that_wait_cost_little_and_end_well(redis_url: str) -> None:
    felt = await hold(redis_url, 300, 1)
    assert felt.bytes_each < 256 * 1024
    assert max(felt.admin) < 2


@pytest.mark.faults
@pytest.mark.timeout(600)
async def test_five_thousand_streams_wait(redis_url: str, figures: Figures) -> None:
    count = 5000
    room_for(2 * count + 1000)
    felt = await hold(redis_url, count, 20)
    figures.note(
        "streams that wait, while others come and go",
        streams=count,
        came_and_went=len(felt.first_event),
        kib_each=felt.bytes_each / 1024,
        **milliseconds(felt.probe, "livez_"),
        **milliseconds(felt.admin, "admin_"),
        **milliseconds(felt.first_event, "first_event_"),
    )
    assert felt.bytes_each < 256 * 1024


# -- one floods

GOOD = 20
RATE = 100.0


def well_behaved(number: int) -> bytes:
    return request(document=chat("m"), x_agent_id=f"good-{number % GOOD}")


FLOODS = {
    "small requests on 200 connections": ["200"],
    "streams on 1,000 connections": ["1000", "--stream"],
    "bodies of a megabyte on 32 connections": ["32", "--size", "1000000"],
}


@asynccontextmanager
async def flood(gateway: GatewayProcess, arguments: list[str], seconds: float) -> AsyncIterator[dict[str, float]]:
    """One agent that asks again as soon as it is answered, in a process of its own; at the end, what it got."""
    connections, *options = arguments
    command = [sys.executable, "-m", "tests.bench.load", f"{gateway.url}/v1/chat/completions", connections]
    process = await asyncio.create_subprocess_exec(
        *command, str(seconds), *options, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    got: dict[str, float] = {}
    yield got
    out, _ = await process.communicate()
    got.update(json.loads(out))


@asynccontextmanager
async def bench_provider() -> AsyncIterator[str]:
    """The provider of the measurements, in a process of its own; its streams have 100 events, 50 ms apart."""
    async with providing(Provider) as (free, _):
        pass
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.upstream", free.rpartition(":")[2], "100", "50"),
        cwd=Path(__file__).parents[2],
    )
    host, port = "127.0.0.1", int(free.rpartition(":")[2])
    try:

        async def listens() -> bool:
            try:
                await (await RawConnection.open((host, port))).close()
            except OSError:
                return False
            return True

        await until(listens)
        yield free
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", list(FLOODS))
async def test_one_agent_floods_and_twenty_are_served(kind: str, redis_url: str, figures: Figures) -> None:
    room_for(4000)
    async with (
        bench_provider() as url,
        gateway_process(redis_url, upstream=url) as gateway,
        Pool(address(gateway)) as pool,
    ):
        alone = await paced(pool, well_behaved, rate=RATE, over=10.0)
        async with flood(gateway, FLOODS[kind], 15) as hog:
            await asyncio.sleep(2)
            beside = await paced(pool, well_behaved, rate=RATE, over=10.0)
        await until(lambda: hog)
    assert succeeded(alone) == 1
    figures.note(
        f"one agent floods: {kind}",
        agents=GOOD,
        requests=beside.requests,
        succeeded=succeeded(beside),
        floods_answers=hog["answers"],
        **milliseconds(alone.seconds, "alone_"),
        **milliseconds(beside.seconds, "beside_it_"),
    )
    assert succeeded(beside) >= 0.99


def succeeded(load: Load) -> float:
    """The share of requests that were answered with 200."""
    return load.statuses.get(200, 0) / load.requests
