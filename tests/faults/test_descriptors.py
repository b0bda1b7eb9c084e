"""File descriptors run out: connections wait, nothing spins, nobody is blamed, and all is well when some are free."""

import asyncio

import psutil
import pytest

from tests.faults.figures import Figures, Stopwatch
from tests.faults.providers import Provider, providing
from tests.faults.world import (
    Pool,
    address,
    ask,
    chat,
    cpu_seconds,
    descriptors,
    gateway_process,
    request,
    settled,
    until,
)
from tests.support.gateway import GatewayProcess
from tests.support.raw_http import RawConnection

LIMIT = 256
CLIENTS = 400
LIVEZ = request("/livez", method="GET")


def asked(number: int) -> bytes:
    return request(document=chat("m"), x_agent_id=f"agent-{number}")


async def crowd(gateway: GatewayProcess) -> list[RawConnection]:
    """More clients than there are descriptors for."""
    psutil.Process(gateway.pid).rlimit(psutil.RLIMIT_NOFILE, (LIMIT, LIMIT))
    clients = [await RawConnection.open(address(gateway)) for _ in range(CLIENTS)]
    await until(lambda: descriptors(gateway.pid) >= LIMIT - 1)
    await until(lambda: "New connections wait" in gateway.output)
    return clients


async def leave(clients: list[RawConnection]) -> None:
    for client in clients:
        await client.close()


async def share_of_a_core(gateway: GatewayProcess, seconds: float) -> float:
    watch, before = Stopwatch(), cpu_seconds(gateway.pid)
    await asyncio.sleep(seconds)
    return (cpu_seconds(gateway.pid) - before) / watch.seconds


async def test_without_descriptors_connections_wait_and_those_there_are_served(redis_url: str) -> None:
    async with gateway_process(redis_url, "--stub") as gateway, Pool(address(gateway)) as pool:
        assert (await pool.ask(LIVEZ)).status == 200
        clients = await crowd(gateway)
        assert await share_of_a_core(gateway, 1) < 0.5
        assert (await pool.ask(request(document=chat()))).status == 200
        watch = Stopwatch()
        await leave(clients)
        assert (await ask(gateway, LIVEZ)).status == 200
        assert watch.seconds < 5
        assert gateway.output.count("New connections wait") < 5
        await settled(gateway, 1)


async def test_a_gateway_without_descriptors_does_not_blame_the_provider(redis_url: str) -> None:
    async with providing(Provider) as (url, _), gateway_process(redis_url, upstream=url) as gateway:
        callers = [await RawConnection.open(address(gateway)) for _ in range(12)]
        for caller in callers:
            await caller.send(LIVEZ)
            assert (await caller.response()).status == 200
        clients = await crowd(gateway)
        for number, caller in enumerate(callers):
            await caller.send(asked(number))
            said = await caller.response()
            assert (said.status, said.json()["error"]["code"]) == (503, "overloaded")
            assert said.header("retry-after") == "1"
        await leave(clients)
        await leave(callers)
        assert (await ask(gateway, asked(0))).status == 200
        await settled(gateway, 13)


@pytest.mark.faults
async def test_a_long_shortage_of_descriptors(redis_url: str, figures: Figures) -> None:
    """The clients stay until they are closed for their silence; those that waited are served then."""
    async with gateway_process(redis_url, "--stub") as gateway:
        clients = await crowd(gateway)
        busy = await share_of_a_core(gateway, 8)
        watch = Stopwatch()
        waiting = [await RawConnection.open(address(gateway)) for _ in range(50)]
        for connection in waiting:
            await connection.send(LIVEZ)
        async with asyncio.timeout(40):
            heads = await asyncio.gather(*(connection.reader.readline() for connection in waiting))
        served_after = watch.seconds
        assert heads == [b"HTTP/1.1 200 OK\r\n"] * 50
        await leave(waiting)
        await leave(clients)
    assert busy < 0.2
    figures.note(
        "no descriptors left",
        limit=LIMIT,
        clients=CLIENTS,
        share_of_a_core=busy,
        served_after_s=served_after,
        warnings=gateway.output.count("New connections wait"),
    )
