"""One connection under its limits, over real sockets."""

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psutil
import pytest

from gateway.edge.asgi import Receive, Scope, Send
from gateway.edge.connections import EXTENSION, Connection, Limits
from gateway.edge.protocol import HELD_BYTES
from tests.support.edge import Recorder, Running, answer, body_message, read_body, serving, start_message
from tests.support.raw_http import RawConnection

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
QUICK = Limits(
    header_seconds=0.4,
    body_stall_seconds=0.4,
    body_min_bytes_per_second=1000,
    keep_alive_seconds=0.4,
    write_stall_seconds=0.4,
    linger_seconds=0.2,
)

PATIENT = replace(QUICK, body_stall_seconds=0.8, write_stall_seconds=0.8)
"""For clients that must not be cut: a busy machine may hold them up for a while."""


class Probe:
    """An application that holds its answer until told, and notes what happens to its client."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.gone = 0
        self.disconnects = 0
        self.sent = 0
        self.release = False

    def note_gone(self) -> None:
        self.gone += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.connection = scope["extensions"][EXTENSION]
        self.connection.on_gone = self.note_gone
        if scope["path"] == "/body":
            body = await read_body(receive)
            await answer(send, b"%d" % len(body or b""))
        elif scope["path"] == "/stream":
            await self.stream(send)
        elif scope["path"] == "/wait":
            await self.wait(receive)
        else:
            await answer(send, scope["path"].encode())

    async def wait(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.disconnects += 1

    async def stream(self, send: Send) -> None:
        await send(start_message())
        while not self.gone:
            await send(body_message(b"x" * 16384, more=True))
            self.sent += 16384
            await asyncio.sleep(0)


@pytest.fixture
def probe() -> Probe:
    return Probe()


@pytest.fixture
def server(probe: Probe) -> Iterator[Running]:
    with serving(probe) as running:
        yield running


@pytest.fixture
def quick(probe: Probe) -> Iterator[Running]:
    with serving(probe, limits=QUICK) as running:
        yield running


@pytest.fixture
def patient(probe: Probe) -> Iterator[Running]:
    with serving(probe, limits=PATIENT) as running:
        yield running


async def open_connection(server: Running, **options: Any) -> RawConnection:
    return await RawConnection.open(server.address, **options)


async def trickle(connection: RawConnection, piece: bytes) -> None:
    """Send `piece` again and again until the server cuts the connection."""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionError):
            while True:
                await connection.send(piece)
                await asyncio.sleep(0.02)


# Deadlines


async def test_a_silent_connection_is_closed(quick: Running) -> None:
    async with await open_connection(quick) as connection:
        assert await connection.read_until_end() == b""


@pytest.mark.parametrize("piece", [b"X", b"X: y\r\n"])
async def test_a_head_that_trickles_is_answered_408_and_closed(quick: Running, piece: bytes) -> None:
    async with await open_connection(quick) as connection:
        await connection.send(GET[:-2])
        trickling = asyncio.create_task(trickle(connection, piece))
        response = await connection.response()
        assert (response.status, response.header("connection")) == (408, "close")
        await trickling  # it sends on, and is cut after the linger time


async def test_empty_lines_do_not_keep_a_connection_open(quick: Running) -> None:
    async with await open_connection(quick) as connection:
        await connection.send(GET)
        await connection.response()
        await trickle(connection, b"\r\n")


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 100\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n64\r\nabc"], ids=["CL", "TE"]
)
async def test_a_stalled_body_is_cut_and_the_application_hears_of_it(
    quick: Running, probe: Probe, framing: bytes
) -> None:
    async with await open_connection(quick) as connection:
        await connection.send(b"POST /body HTTP/1.1\r\nHost: a\r\n" + framing)
        assert await connection.read_until_end() == b""
    await quick.until(lambda: probe.gone == 1)


async def test_a_body_slower_than_the_average_is_cut(quick: Running, probe: Probe) -> None:
    async with await open_connection(quick) as connection:
        await connection.send(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        await trickle(connection, b"x")
    await quick.until(lambda: probe.gone == 1)


async def test_a_body_faster_than_the_average_may_take_longer_than_any_stall(patient: Running) -> None:
    async with await open_connection(patient) as connection:
        await connection.send(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 24000\r\n\r\n")
        for _ in range(24):
            await connection.send(b"x" * 1000)
            await asyncio.sleep(0.05)
        assert (await connection.response()).body == b"24000"


async def test_an_application_that_does_not_read_is_not_held_against_the_client() -> None:
    may_read = asyncio.Event()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await may_read.wait()
        await answer(send, b"%d" % len(await read_body(receive) or b""))

    with serving(late, limits=QUICK) as server:
        async with await open_connection(server) as connection:
            await connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 1000000)
            await asyncio.sleep(4 * QUICK.body_stall_seconds)
            server.loop.call_soon_threadsafe(may_read.set)
            await connection.send(b"x" * 8000000)
            assert (await connection.response()).body == b"9000000"


async def test_a_client_that_waits_for_continue_is_not_cut_while_the_application_thinks() -> None:
    may_read = asyncio.Event()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await may_read.wait()
        await answer(send, await read_body(receive) or b"")

    with serving(late, limits=QUICK) as server:
        async with await open_connection(server) as connection:
            await connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            await asyncio.sleep(4 * QUICK.body_stall_seconds)
            server.loop.call_soon_threadsafe(may_read.set)
            assert await connection.response_head() == (100, [])
            await connection.send(b"ok")
            assert (await connection.response()).body == b"ok"


async def test_an_idle_connection_is_kept_for_a_while_and_then_closed(quick: Running) -> None:
    async with await open_connection(quick) as connection:
        for path in (b"/1", b"/2"):
            await connection.send(GET.replace(b"/ ", path + b" "))
            assert (await connection.response()).body == path
            await asyncio.sleep(QUICK.keep_alive_seconds / 3)
        assert await connection.read_until_end() == b""


async def test_an_answer_has_no_deadline_here(quick: Running, probe: Probe) -> None:
    async with await open_connection(quick) as connection:
        await connection.send(GET.replace(b"/ ", b"/wait "))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(4 * QUICK.keep_alive_seconds):
                await connection.reader.read(1)
        assert probe.gone == 0


# Sizes


async def test_a_flood_of_headers_is_refused_with_little_memory(server: Running) -> None:
    rss = psutil.Process(os.getpid()).memory_info().rss
    async with await open_connection(server) as connection:
        await connection.send(GET[:-2])
        flood = b"X-Flood: " + b"y" * 1000 + b"\r\n"
        for _ in range(300):
            await connection.send(flood * 100)
        assert (await connection.response()).status == 431
    assert psutil.Process(os.getpid()).memory_info().rss - rss < 10_000_000


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"x" * 40000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET /?" + b"x" * 300000, 414),
        (GET[:-2] + b"X: " + b"y" * 40000 + b"\r\n\r\n", 431),
        (GET[:-2] + b"X: " + b"y" * 40000, 431),
        (GET[:-2] + b"X: y\r\n" * 70 + b"\r\n", 431),
    ],
    ids=["long target", "long target without end", "long head", "long head without end", "many fields"],
)
async def test_too_much_of_a_head_is_refused(server: Running, request_bytes: bytes, status: int) -> None:
    async with await open_connection(server) as connection:
        await connection.send(request_bytes)
        assert (await connection.response()).status == status
        assert await connection.read_until_end() == b""


async def test_a_head_just_within_the_limits_is_served(server: Running) -> None:
    room = Limits().max_header_bytes - len(GET) - len(b"X: \r\n")
    async with await open_connection(server) as connection:
        await connection.send(GET[:-2] + b"X: " + b"y" * room + b"\r\n\r\n")
        assert (await connection.response()).status == 200
        await connection.send(GET[:-2] + b"X: y\r\n" * 63 + b"\r\n")
        assert (await connection.response()).status == 200


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
async def test_a_request_may_come_in_pieces(server: Running, size: int) -> None:
    request = b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + GET
    async with await open_connection(server) as connection:
        for at in range(0, len(request), size):
            await connection.send(request[at : at + size])
            await asyncio.sleep(0)
        assert (await connection.response()).body == b"5"
        assert (await connection.response()).body == b"/"


# Requests one after the other


async def test_requests_sent_at_once_are_answered_one_after_the_other_in_order(server: Running) -> None:
    paths = [b"/%d" % number for number in range(50)]
    post = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    async with await open_connection(server) as connection:
        await connection.send(b"".join(GET.replace(b"/ ", path + b" ") + post for path in paths))
        for path in paths:
            assert (await connection.response()).body == path
            assert (await connection.response()).body == b"3"


async def test_what_follows_a_request_that_closes_is_ignored(server: Running) -> None:
    async with await open_connection(server) as connection:
        await connection.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + GET)
        response = await connection.response()
        assert response.header("connection") == "close"
        assert await connection.read_until_end() == b""


async def test_requests_that_wait_for_an_answer_are_kept_in_bounded_memory(server: Running, probe: Probe) -> None:
    async with await open_connection(server) as connection:
        await connection.send(GET.replace(b"/ ", b"/wait "))
        connection.writer.write(GET * 400_000)
        await server.until(lambda: bool(server.server.state.connections))
        (protocol,) = server.server.state.connections
        await server.until(lambda: len(protocol._held) > HELD_BYTES)
        assert server.call(lambda: len(protocol._held)) <= HELD_BYTES + 300_000
        connection.reset()
        assert server.call(lambda: protocol._reading_paused)


# Upgrades


async def test_a_websocket_handshake_reaches_the_application_as_an_ordinary_request() -> None:
    recorder = Recorder()
    handshake = (
        b"GET /v1/responses HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with serving(recorder) as server:
        async with await open_connection(server) as connection:
            await connection.send(handshake + GET)
            assert (await connection.response()).status == 200
            assert (await connection.response()).status == 200
    assert [scope["type"] for scope in recorder.scopes] == ["http", "http"]
    assert dict(recorder.scopes[0]["headers"])[b"upgrade"] == b"websocket"


@pytest.mark.parametrize("gap", [False, True], ids=["at once", "apart"])
@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 5\r\n\r\n|hello", b"Transfer-Encoding: chunked\r\n\r\n|5\r\nhello\r\n0\r\n\r\n"],
    ids=["CL", "TE"],
)
async def test_an_h2c_upgrade_is_ignored_and_its_body_is_read(gap: bool, framing: bytes) -> None:
    recorder = Recorder()
    head, body = framing.split(b"|")
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    with serving(recorder) as server:
        async with await open_connection(server) as connection:
            await connection.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + upgrade + head)
            if gap:
                await server.until(lambda: len(recorder.scopes) == 1)
            await connection.send(body + GET)
            assert (await connection.response()).body == b"hello"
            assert (await connection.response()).body == b""
    assert recorder.bodies == [b"hello", b""]


# The client leaves


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
@pytest.mark.parametrize("path", [b"/wait", b"/stream", b"/body"])
async def test_a_client_that_leaves_is_noticed_at_once_and_once(
    server: Running, probe: Probe, path: bytes, how: str
) -> None:
    connection = await open_connection(server)
    length = b"Content-Length: 9\r\n" if path == b"/body" else b""
    await connection.send(b"POST " + path + b" HTTP/1.1\r\nHost: a\r\n" + length + b"\r\n")
    await server.until(lambda: probe.connection is not None)
    match how:
        case "close":
            await connection.close()
        case "reset":
            connection.reset()
        case "half-close":
            connection.writer.write_eof()
    await server.until(lambda: probe.gone > 0)
    assert probe.connection is not None and probe.connection.gone
    await connection.close()
    await server.until(lambda: not server.server.state.tasks and not server.server.state.connections)
    assert probe.gone == 1


async def test_a_client_that_leaves_is_noticed_though_the_application_reads_nothing(probe: Probe) -> None:
    async def ignore(scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"][EXTENSION].on_gone = probe.note_gone
        await asyncio.sleep(60)

    with serving(ignore, flush_seconds=0.0) as server:
        async with await open_connection(server) as connection:
            await connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n" + b"x" * 60000)
            await server.until(lambda: bool(server.server.state.tasks))
            await connection.send(b"x" * 10000)  # more than waits for the application, but the end of the body
        await server.until(lambda: probe.gone == 1)


async def test_nothing_is_left_of_clients_that_leave_anywhere(server: Running, probe: Probe) -> None:
    request = b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    conversation = request + GET.replace(b"/ ", b"/stream ")
    chance = random.Random(1)
    for _ in range(150):
        connection = await open_connection(server)
        await connection.send(conversation[: chance.randrange(len(conversation) + 1)])
        if chance.random() < 0.5:
            await asyncio.sleep(0)
        connection.reset() if chance.random() < 0.5 else await connection.close()
    await server.until(lambda: not server.server.state.tasks and not server.server.state.connections)


async def test_nobody_is_told_of_a_client_that_leaves_between_requests(server: Running, probe: Probe) -> None:
    connection = await open_connection(server)
    await connection.send(GET)
    await connection.response()
    await connection.close()
    await server.until(lambda: not server.server.state.connections)
    assert probe.gone == 0


async def test_a_handle_kept_beyond_its_response_does_not_touch_the_next_request(probe: Probe) -> None:
    handles: list[Connection] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        handle = scope["extensions"][EXTENSION]
        handles.append(handle)
        if scope["path"] == "/wait":
            handle.on_gone = probe.note_gone
            await probe.wait(receive)
        else:
            await answer(send, handle.peer.encode())

    with serving(app) as server:
        async with await open_connection(server) as connection:
            await connection.send(GET)
            assert (await connection.response()).body == b"127.0.0.1"
            await connection.send(GET.replace(b"/ ", b"/wait "))
            await server.until(lambda: len(handles) == 2)
            server.call(handles[0].abort)
            handles[0].on_gone = None
            assert probe.gone == 0
        await server.until(lambda: probe.gone == 1)
    assert [handle.gone for handle in handles] == [False, True]


async def test_abort_cuts_a_counted_answer_so_that_it_cannot_pass_for_whole() -> None:
    told = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        handle = scope["extensions"][EXTENSION]
        handle.on_gone = lambda: told.append(1)
        await send(start_message(200, (b"content-length", b"10")))
        await send(body_message(b"half", more=True))
        await asyncio.sleep(0.05)
        handle.abort()

    with serving(app) as server:
        async with await open_connection(server) as connection:
            await connection.send(GET)
            response = await connection.response()
    assert (response.body, response.whole) == (b"half", False)
    assert told == []


# A client that does not read


async def test_a_slow_reader_costs_bounded_memory_and_is_cut(quick: Running, probe: Probe) -> None:
    async with await open_connection(quick, receive_buffer=4096) as connection:
        connection.writer.transport.pause_reading()
        await connection.send(GET.replace(b"/ ", b"/stream "))
        await quick.until(lambda: probe.sent > 0)
        (protocol,) = quick.call(lambda: list(quick.server.state.connections))
        await quick.until(lambda: protocol.write_paused or probe.gone > 0)
        buffered = quick.call(protocol._transport.get_write_buffer_size)
        assert buffered <= QUICK.write_buffer + 17000
        await quick.until(lambda: probe.gone == 1)
        assert probe.sent < QUICK.write_buffer + 1_000_000
    await quick.until(lambda: not quick.server.state.connections)


async def test_a_reader_that_takes_a_little_at_a_time_is_not_cut(patient: Running, probe: Probe) -> None:
    async with await open_connection(patient, receive_buffer=4096, limit=1024) as connection:
        await connection.send(GET.replace(b"/ ", b"/stream "))
        for _ in range(150):
            assert await connection.reader.read(4096)
            await asyncio.sleep(0.01)
        assert probe.gone == 0


async def test_an_answer_nobody_takes_does_not_keep_its_closed_connection() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"x" * 4_000_000, headers=[(b"connection", b"close")])

    with serving(app, limits=QUICK) as server:
        async with await open_connection(server, receive_buffer=4096) as connection:
            connection.writer.transport.pause_reading()
            await connection.send(GET)
            await server.until(lambda: bool(server.server.state.connections))
            await server.until(lambda: not server.server.state.connections)


# Refusing what is still being sent


async def test_a_refusal_before_the_end_of_the_body_arrives_whole() -> None:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"too large", status=413)

    with serving(refuse) as server:
        for _ in range(20):
            async with await open_connection(server) as connection:
                await connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n")
                connection.writer.write(b"x" * 3_000_000)
                response = await connection.response()
                assert (response.status, response.body) == (413, b"too large")
                assert response.header("connection") == "close"


async def test_a_client_that_goes_on_sending_after_a_refusal_is_cut(quick: Running) -> None:
    async with await open_connection(quick) as connection:
        await connection.send(b"POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n")
        assert (await connection.response()).body == b"/no"
        await trickle(connection, b"x" * 1000)


# Sockets


async def test_small_writes_are_not_delayed_and_the_kernel_takes_little_ahead(server: Running) -> None:
    async with await open_connection(server) as connection:
        await connection.send(GET)
        await connection.response()
        (protocol,) = server.call(lambda: list(server.server.state.connections))

        def options() -> tuple[int, int]:
            sock = protocol._transport.get_extra_info("socket")
            nodelay = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            return nodelay, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)

        nodelay, unsent = server.call(options)
    assert nodelay
    assert unsent <= 131072


async def test_the_scope_says_what_was_received() -> None:
    recorder = Recorder()
    with serving(recorder) as server:
        async with await open_connection(server) as connection:
            await connection.send(b"GET /a%2Fb//c%20d?x=%41 HTTP/1.1\r\nHost: a\r\nX-B: y\r\nX-b: z \r\n\r\n")
            await connection.response()
    (scope,) = recorder.scopes
    assert (scope["method"], scope["path"], scope["raw_path"]) == ("GET", "/a/b//c d", b"/a%2Fb//c%20d")
    assert (scope["query_string"], scope["http_version"], scope["scheme"]) == (b"x=%41", "1.1", "http")
    assert scope["headers"] == [(b"host", b"a"), (b"x-b", b"y"), (b"x-b", b"z")]
    assert scope["client"][0] == "127.0.0.1"
    assert scope["server"] == server.address
