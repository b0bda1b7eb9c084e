"""Clients that send or read too slowly: they are cut in the end, cost little until then, and keep nobody waiting."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from gateway.edge.connections import Limits
from tests.faults.figures import Figures, Stopwatch, milliseconds
from tests.faults.world import CHAT, MIB, Peak, Pool, address, chat, gateway_process, pulse, request, settled, until
from tests.support.chat_streams import DONE, chunk
from tests.support.gateway import GatewayProcess
from tests.support.path import running_path
from tests.support.raw_http import RawConnection
from tests.support.upstream import Conversation, Request, ScriptedUpstream

Address = tuple[str, int]

QUICK = Limits(
    header_seconds=0.5,
    body_stall_seconds=0.5,
    body_min_bytes_per_second=1000,
    keep_alive_seconds=0.5,
    write_stall_seconds=0.5,
    linger_seconds=0.2,
)
HEAD = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n".encode()
TOO_LONG = 60.0


async def _closed(connection: RawConnection) -> bool:
    """Whether the server has closed, looked at for a moment."""
    try:
        async with asyncio.timeout(0.1):
            return not await connection.reader.read(65536)
    except TimeoutError:
        return False
    except ConnectionError:
        return True


async def _trickle(to: Address, beginning: bytes, drop: bytes) -> float:
    """The seconds for which a client that sends a drop every tenth of a second was borne."""
    watch = Stopwatch()
    async with await RawConnection.open(to) as connection:
        if beginning:
            await connection.send(beginning)
        while not await _closed(connection):
            assert watch.seconds < TOO_LONG
            try:
                if drop:
                    await connection.send(drop)
            except ConnectionError:
                break
        return watch.seconds


async def silent(to: Address) -> float:
    return await _trickle(to, b"", b"")


async def headers_in_drops(to: Address) -> float:
    return await _trickle(to, HEAD, b"x")


async def half_a_header(to: Address) -> float:
    return await _trickle(to, HEAD, b"")


async def body_in_drops(to: Address) -> float:
    return await _trickle(to, HEAD + b"\r\n", b" ")


async def half_a_body(to: Address) -> float:
    return await _trickle(to, HEAD + b"\r\n{", b"")


SLOW: tuple[tuple[Callable[[Address], Awaitable[float]], float], ...] = (
    (silent, 10),
    (headers_in_drops, 10),
    (half_a_header, 10),
    (body_in_drops, 30),
    (half_a_body, 30),
)
"""Each kind of client, and the seconds for which the gateway bears it as it comes."""


@pytest.mark.parametrize("slow", [kind for kind, _ in SLOW])
async def test_a_client_that_sends_too_slowly_is_closed(slow: Callable[[Address], Awaitable[float]]) -> None:
    async with running_path(limits=QUICK) as path:
        slow_ones = asyncio.gather(*(slow(path.address) for _ in range(20)))
        await until(lambda: len(path.server.state.connections) >= 20)
        answer = await path.client.post(CHAT, json=chat())
        assert answer.status_code == 200
        async with asyncio.timeout(20):
            borne = await slow_ones
        assert min(borne) >= 0.4
        await until(lambda: len(path.server.state.connections) <= 1)  # the one of `path.client`
        assert not path.pipeline.active
        assert not path.server.state.tasks


@pytest.mark.faults
async def test_slow_senders_are_borne_as_long_as_promised(redis_url: str, figures: Figures) -> None:
    """The limits as they come, 200 clients of each kind at once."""
    count = 200

    async def borne(kind: Callable[[Address], Awaitable[float]], to: Address) -> Sequence[float]:
        return await asyncio.gather(*(kind(to) for _ in range(count)))

    async with gateway_process(redis_url, "--stub") as gateway:
        peak = Peak(gateway.pid)
        async with pulse(gateway) as felt:
            seconds = await asyncio.gather(*(borne(kind, address(gateway)) for kind, _ in SLOW))
        grown = peak.grown
        await settled(gateway, 2 * count)
    for (kind, promised), each in zip(SLOW, seconds, strict=True):
        assert min(each) > promised - 1 and max(each) < promised + 8
        figures.note(f"slow senders: {kind.__name__}", clients=count, closed_after_s=[min(each), max(each)])
    figures.note(
        "slow senders, all at once", clients=5 * count, grown_mib=grown / MIB, **milliseconds(felt.seconds, "livez_")
    )


# -- slow readers

EVENT = chunk({"content": "word " * 800})


class Flood:
    """A provider that sends events as fast as they are taken, until told to end."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.over = asyncio.Event()

    async def __call__(self, request: Request, talk: Conversation) -> None:
        number = len(self.sent)
        self.sent.append(0)
        await talk.start()
        while not self.over.is_set() and not talk.client_gone.is_set():
            talk.writer.write(b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
            self.sent[number] += 1
            await talk.writer.drain()
        if not talk.client_gone.is_set():
            await talk.chunk(chunk({}, finish="stop") + DONE)
            await talk.end()

    async def stopped(self) -> int:
        """Events sent in all, once no more are taken."""
        last, since, watch = -1, Stopwatch(), Stopwatch()
        while since.seconds < 0.4:
            if sum(self.sent) != last:
                last, since = sum(self.sent), Stopwatch()
            assert watch.seconds < 20, "it is never made to wait"
            await asyncio.sleep(0.02)
        return last


async def not_reading(to: Address) -> RawConnection:
    """A client that asks for a stream and reads nothing but the head."""
    connection = await RawConnection.open(to, receive_buffer=4096, limit=4096)
    await connection.send(request(document=chat("gpt-x", stream=True, stream_options={"include_usage": True})))
    await connection.response_head()
    connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
    return connection


async def hold_still(gateway: GatewayProcess, flood: Flood, count: int) -> tuple[list[RawConnection], int, int]:
    """Clients that do not read; events that their providers could send, bytes that the gateway took for them."""
    peak = Peak(gateway.pid)
    clients = [await not_reading(address(gateway)) for _ in range(count)]
    await until(lambda: len(flood.sent) == count)
    sent = await flood.stopped()
    return clients, sent, peak.grown


async def test_a_provider_waits_for_a_client_that_does_not_read_and_nothing_is_lost(redis_url: str) -> None:
    flood = Flood()
    async with (
        ScriptedUpstream(flood) as upstream,
        gateway_process(redis_url, upstream=upstream.url) as gateway,
        Pool(address(gateway)) as pool,
    ):
        clients, sent, grown = await hold_still(gateway, flood, 8)
        assert sent * len(EVENT) < 8 * 24 * MIB  # what fits into the buffers of the kernel
        assert grown < 8 * 3 * MIB
        assert (await pool.ask(request("/readyz", method="GET"))).status == 200
        flood.over.set()
        for client in clients:
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        bodies = await asyncio.gather(*(client._chunks() for client in clients))
        for client in clients:
            await client.close()
        await settled(gateway, 8)
    assert all(whole and body.endswith(DONE) for body, whole in bodies)
    assert sorted(body.count(EVENT) for body, _ in bodies) == sorted(flood.sent)


async def test_a_client_that_never_reads_is_cut_and_its_provider_released() -> None:
    flood = Flood()
    async with ScriptedUpstream(flood) as upstream, running_path(upstream.url, limits=QUICK) as path:
        client = await not_reading(path.address)
        watch = Stopwatch()
        await upstream.client_gone()
        assert watch.seconds > 0.4
        seen = await path.sightings.settled()
        await until(lambda: not path.server.state.connections)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        _, whole = await client._chunks()
        await client.close()
    assert not whole
    assert seen.vitals.error_type == "client_gone"
    assert seen.vitals.output_tokens > 0  # what was produced for it counts


@pytest.mark.faults
async def test_a_hundred_clients_never_read(redis_url: str, figures: Figures) -> None:
    """The limits as they come: cut after half a minute, and little memory until then."""
    flood, count = Flood(), 100
    async with (
        ScriptedUpstream(flood) as upstream,
        gateway_process(redis_url, upstream=upstream.url) as gateway,
    ):
        watch = Stopwatch()
        clients, sent, grown = await hold_still(gateway, flood, count)
        async with pulse(gateway) as felt:
            async with asyncio.timeout(60):
                await asyncio.gather(*(upstream.client_gone(n + 1, 60) for n in range(count)))
        cut_after = watch.seconds
        for client in clients:
            client.writer.transport.abort()
        totals = await settled(gateway, count)
    assert totals["client_gone"] == count
    assert 25 < cut_after < 50
    figures.note(
        "slow readers",
        clients=count,
        sent_each_mib=sent * len(EVENT) / count / MIB,
        gateway_grown_each_kib=grown / count / 1024,
        last_cut_after_s=cut_after,
        **milliseconds(felt.seconds, "livez_"),
    )
