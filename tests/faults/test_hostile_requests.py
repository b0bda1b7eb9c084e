"""Requests made to hurt: the sender gets its refusal, memory stays bounded, and everybody else is still served."""

import asyncio
import gzip
import socket
from collections.abc import Callable, Iterator
from itertools import repeat

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from tests.faults.figures import Figures, Stopwatch, quantile
from tests.faults.world import (
    CHAT,
    MIB,
    Peak,
    Pulse,
    address,
    ask,
    chat,
    gateway_process,
    pulse,
    request,
    settled,
    until,
)
from tests.support.gateway import GatewayProcess
from tests.support.raw_http import RawConnection, Response
from tests.support.upstream import Conversation, Request, ScriptedUpstream, http_chunk, json_answer

GIB = 2**30
BODY_LIMIT = 32 * MIB
PIECE = b"x" * MIB
CHUNK = http_chunk(PIECE)
HEAD = b"POST %b HTTP/1.1\r\nhost: localhost\r\n%b\r\n"


def head(path: str = CHAT, **headers: str) -> bytes:
    return HEAD % (path.encode(), b"".join(f"{k.replace('_', '-')}: {v}\r\n".encode() for k, v in headers.items()))


# -- bodies without end


def send_then_read(to: tuple[str, int], beginning: bytes, pieces: Iterator[bytes]) -> tuple[int, bytes]:
    """A client that looks for an answer only when it has sent everything, or can send no more."""
    sent = 0
    with socket.create_connection(to, 20) as sock:
        try:
            sock.sendall(beginning)
            for piece in pieces:
                sock.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
        answer = b""
        try:
            while part := sock.recv(65536):
                answer += part
        except OSError:
            pass
    return sent, answer


async def send_and_read(to: tuple[str, int], beginning: bytes, pieces: Iterator[bytes]) -> tuple[int, bytes]:
    """A client that reads while it sends, and stops when it has an answer."""
    sent = 0
    async with await RawConnection.open(to) as connection:
        reading = asyncio.create_task(connection.response())
        await connection.send(beginning)
        for piece in pieces:
            try:
                await connection.send(piece)
            except ConnectionError:
                break
            sent += len(piece)
            await asyncio.sleep(0)
            if reading.done():
                break
        answer = await reading
        connection.writer.transport.abort()
    return sent, b"HTTP/1.1 %d \r\n\r\n%b" % (answer.status, answer.body)


BODIES: dict[str, tuple[bytes, Callable[[], Iterator[bytes]]]] = {
    "an honest length": (head(content_length=str(GIB)), lambda: repeat(PIECE, 1024)),
    "no length": (head(transfer_encoding="chunked"), lambda: repeat(CHUNK, 1024)),
    "one huge chunk": (head(transfer_encoding="chunked") + b"40000000\r\n", lambda: repeat(PIECE, 1024)),
}


@pytest.mark.parametrize("order", ["reads at the end", "reads meanwhile"])
@pytest.mark.parametrize("body", list(BODIES))
async def test_a_gigabyte_is_refused_in_a_way_its_sender_can_read(
    body: str, order: str, stub_gateway: GatewayProcess
) -> None:
    beginning, pieces = BODIES[body]
    peak = Peak(stub_gateway.pid)
    async with pulse(stub_gateway) as felt:
        if order == "reads meanwhile":
            sent, answer = await send_and_read(address(stub_gateway), beginning, pieces())
        else:
            sent, answer = await asyncio.to_thread(send_then_read, address(stub_gateway), beginning, pieces())
    grown = peak.grown
    assert answer.startswith(b"HTTP/1.1 413 ") and b'"payload_too_large"' in answer
    assert grown < (8 * MIB if body == "an honest length" else BODY_LIMIT + 24 * MIB)
    assert felt.worst < 2
    if order == "reads meanwhile":
        assert sent < 2 * BODY_LIMIT + 16 * MIB


async def test_a_length_that_is_too_large_is_refused_before_a_byte_of_the_body(stub_gateway: GatewayProcess) -> None:
    for length in (BODY_LIMIT + 1, GIB, 10**17):
        answer = await ask(stub_gateway, head(content_length=str(length)))
        assert (answer.status, answer.json()["error"]["code"]) == (413, "payload_too_large")
        assert (answer.header("connection"), answer.header("x-should-retry")) == ("close", "false")


async def test_more_than_the_length_says_is_no_part_of_the_body(stub_gateway: GatewayProcess) -> None:
    """What follows is read as another request, is none, and is not kept."""
    peak = Peak(stub_gateway.pid)
    beginning = request(document=chat())
    _, answer = await asyncio.to_thread(send_then_read, address(stub_gateway), beginning, repeat(PIECE, 256))
    assert peak.grown < 8 * MIB
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert (
        answer.count(b"HTTP/1.1 ") == 2
        and b"HTTP/1.1 400 " in answer
        or b"HTTP/1.1 431 " in answer
        or (b"HTTP/1.1 414 " in answer)
    )


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_relayed_body_is_cut_at_its_limit_and_never_held(framing: str, redis_url: str) -> None:
    received = 0

    async def provider(request: Request, talk: Conversation) -> None:
        nonlocal received
        while data := await talk.reader.read(MIB):
            received += len(data)

    limit = 24 * MIB
    async with (
        ScriptedUpstream(provider, read_body=False) as upstream,
        gateway_process(redis_url, upstream=upstream.url, GATEWAY_MAX_RELAYED_BYTES=str(limit)) as gateway,
    ):
        if framing == "length":
            beginning, piece = head("/v1/files", content_length=str(GIB)), PIECE
        else:
            beginning, piece = head("/v1/files", transfer_encoding="chunked"), CHUNK
        peak = Peak(gateway.pid)
        _, answer = await asyncio.to_thread(send_then_read, address(gateway), beginning, repeat(piece, 1024))
        assert peak.grown < 12 * MIB
        await settled(gateway, 1)
        if framing == "chunked":
            await upstream.client_gone()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert received <= limit + MIB


async def test_a_relayed_body_waits_for_a_provider_that_does_not_read(redis_url: str) -> None:
    async def provider(request: Request, talk: Conversation) -> None:
        talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await arrived.wait()
        talk.writer.transport.resume_reading()  # type: ignore[attr-defined]
        left = 64 * MIB
        while left:
            left -= len(await talk.reader.read(MIB))
        await talk.send(json_answer({"done": True}))

    arrived = asyncio.Event()
    sent = 0
    async with (
        ScriptedUpstream(provider, read_body=False) as upstream,
        gateway_process(redis_url, upstream=upstream.url) as gateway,
        await RawConnection.open(address(gateway)) as client,
    ):

        async def send() -> None:
            nonlocal sent
            for _ in range(64):
                await client.send(PIECE)
                sent += len(PIECE)

        peak = Peak(gateway.pid)
        await client.send(head("/v1/files", content_length=str(64 * MIB)))
        sending = asyncio.create_task(send())
        await stands_still(lambda: sent)
        assert sent < 48 * MIB  # the rest of it is still with the client
        assert peak.grown < 8 * MIB
        arrived.set()
        await sending
        assert (await client.response()).json() == {"done": True}


async def stands_still(value: Callable[[], int]) -> int:
    """The value, once it has not changed for a while."""
    last, since = value(), Stopwatch()
    watch = Stopwatch()
    while since.seconds < 0.3:
        await asyncio.sleep(0.02)
        if value() != last:
            last, since = value(), Stopwatch()
        assert watch.seconds < 20, "it goes on and on"
    return last


# -- heads


def fields(number: int) -> bytes:
    return b"".join(map(b"x-%d: y\r\n".__mod__, range(number)))


FLOODS = {
    "too many headers": (HEAD % (CHAT.encode(), fields(1000)), 431),
    "a header of a megabyte": (HEAD % (CHAT.encode(), b"x: " + PIECE + b"\r\n"), 431),
    "a path of a megabyte": (HEAD % (b"/" + PIECE, b""), 414),
    "headers without end": (HEAD[:-2] % (CHAT.encode(), fields(2_000_000)), 431),
}


@pytest.mark.parametrize("flood", list(FLOODS))
async def test_a_flood_of_headers_is_refused(flood: str, stub_gateway: GatewayProcess) -> None:
    data, status = FLOODS[flood]
    peak = Peak(stub_gateway.pid)
    async with pulse(stub_gateway) as felt:
        _, answer = await asyncio.to_thread(send_then_read, address(stub_gateway), b"", iter([data]))
    assert peak.grown < 8 * MIB
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert felt.worst < 2


# -- bodies that are small until they are read


def gzip_bomb(size: int) -> bytes:
    return gzip.compress(b'{"model":"' + b"0" * size + b'"}')


BOMBS: dict[str, Callable[[int], bytes]] = {
    "gzip": gzip_bomb,
    "br": lambda size: bytes(brotli.compress(b"0" * size, quality=5)),
    "zstd": lambda size: zstandard.compress(b"0" * size, 19),
}


@pytest.mark.parametrize("coding", list(BOMBS))
async def test_a_decompression_bomb_is_cut_off(coding: str, stub_gateway: GatewayProcess) -> None:
    bomb = BOMBS[coding](200_000_000)
    peak = Peak(stub_gateway.pid)
    async with pulse(stub_gateway) as felt:
        answer = await ask(stub_gateway, request(body=bomb, content_encoding=coding))
    assert (answer.status, answer.json()["error"]["code"]) == (413, "payload_too_large")
    assert peak.grown < 24 * MIB
    assert felt.worst < 2


MOST = BODY_LIMIT - 100


def prompt(content: bytes) -> bytes:
    return b'{"model":"stub-echo","messages":' + content + b"}"


def many(value: bytes) -> bytes:
    """As many of them in an array as a body may hold."""
    return prompt(b"[" + value * (MOST // len(value)) + b"0]")


DOCUMENTS: dict[str, Callable[[], bytes]] = {
    "100,000 arrays deep": lambda: prompt(b"[" * 100_000 + b"]" * 100_000),
    "100,000 objects deep": lambda: prompt(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "100,000 deep without end": lambda: b"[" * 100_000,
    "a million members": lambda: prompt(b"{" + b",".join(b'"k%d":1' % n for n in range(1_000_000)) + b"}"),
    "a number of ten megabytes": lambda: prompt(b"1" * 10**7),
    "a key of ten megabytes": lambda: prompt(b'{"' + b"k" * 10**7 + b'":1}'),
    "a key twice among many": lambda: prompt(b"{" + b"".join(b'"k%d":1,' % n for n in range(200_000)) + b'"k1":1}'),
    "empty arrays": lambda: many(b"[],"),
    "empty objects": lambda: many(b"{},"),
    "nested arrays": lambda: many(b"[[[]]],"),
    "numbers": lambda: many(b"1,"),
    "empty strings": lambda: many(b'"",'),
}


async def refused(gateway: GatewayProcess, body: bytes) -> tuple[Response, float, Pulse]:
    """The answer, the seconds from the body's last byte to it, and what others felt."""
    data = request(body=body)
    async with pulse(gateway, gap=0.002) as felt, await RawConnection.open(address(gateway)) as connection:
        await connection.send(data[:-1])
        await asyncio.sleep(0.2)
        felt.seconds.clear()
        watch = Stopwatch()
        await connection.send(data[-1:])
        answer = await connection.response()
        seconds = watch.seconds
        await until(lambda: felt.seconds)
    return answer, seconds, felt


@pytest.mark.parametrize("document", list(DOCUMENTS))
async def test_a_document_made_to_be_hard_to_read_is_refused_and_others_are_served(
    document: str, stub_gateway: GatewayProcess
) -> None:
    body = DOCUMENTS[document]()
    peak = Peak(stub_gateway.pid)
    answer, _, felt = await refused(stub_gateway, body)
    assert answer.status == 400, answer.body[:200]
    assert peak.grown < 4 * len(body) + 96 * MIB
    assert felt.worst < 2
    assert (await ask(stub_gateway, request(document=chat()))).status == 200


@pytest.mark.faults
async def test_how_long_hard_documents_keep_others_waiting(stub_gateway: GatewayProcess, figures: Figures) -> None:
    for name, make in DOCUMENTS.items():
        body, seconds, worst = make(), [], []
        for _ in range(5):
            answer, took, felt = await refused(stub_gateway, body)
            assert answer.status == 400
            seconds.append(took)
            worst.append(felt.worst)
        medians = {"refused_ms": quantile(seconds, 0.5) * 1000, "livez_waited_ms": quantile(worst, 0.5) * 1000}
        figures.note(f"hard document: {name}", tries=5, megabytes=len(body) / 1e6, **medians)
