"""Serving and draining, with processes and signals."""

import asyncio
import contextlib
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence

import pytest
import trustme
import uvloop

from gateway.edge.connections import Limits
from gateway.edge.server import Listener, Server
from gateway.edge.sockets import bind
from tests.support.draining_app import END
from tests.support.edge import NoHooks, Recorder, process, serving
from tests.support.raw_http import RawConnection

GET = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n"
CODE = "import uvloop; from tests.support.draining_app import main; uvloop.run(main())"
Process = subprocess.Popen[bytes]


@contextlib.contextmanager
def started(**env: str) -> Iterator[tuple[Process, tuple[str, int]]]:
    with process(CODE, env=env) as child:
        assert child.stdout is not None
        yield child, ("127.0.0.1", int(child.stdout.readline()))


async def asked(address: tuple[str, int], path: bytes) -> RawConnection:
    connection = await RawConnection.open(address)
    await connection.send(GET % path)
    return connection


async def streams(address: tuple[str, int], count: int) -> Sequence[RawConnection]:
    """Connections whose stream has begun."""
    connections = [await asked(address, b"/stream") for _ in range(count)]
    for connection in connections:
        await connection.response_head()
    return connections


async def rest_of_stream(connection: RawConnection) -> bytes:
    """What is left of a chunked body, or an assertion that it ended properly."""
    async with connection:
        body, whole = await connection._chunks()
        assert whole, "a stream was cut"
        assert await connection.read_until_end() == b""
        return body


async def ended(child: Process) -> int:
    return await asyncio.to_thread(child.wait, 20)


async def test_sigterm_resets_none_of_200_streams() -> None:
    with started() as (child, address):
        connections = await streams(address, 200)
        whole = await asked(address, b"/whole")
        idle = await asked(address, b"/ready")
        await idle.response()
        child.send_signal(signal.SIGTERM)
        bodies = await asyncio.gather(*map(rest_of_stream, connections))
        assert all(body.endswith(END) for body in bodies)
        response = await whole.response()
        assert (response.body, response.header("connection")) == (b"whole", "close")
        assert not await idle.ended_by_reset()
        await whole.close()
        await idle.close()
        assert await ended(child) == 0
        assert child.stdout is not None and child.stdout.read() == b"ended\n"


async def test_streams_that_end_by_themselves_are_waited_for() -> None:
    with started(DRAIN_SECONDS="30") as (child, address):
        connection = await asked(address, b"/whole")
        async with await asked(address, b"/ready") as other:
            await other.response()  # so the first one has been read, too
        child.send_signal(signal.SIGTERM)
        assert (await connection.response()).body == b"whole"
        await connection.close()
        assert await ended(child) == 0


async def test_during_the_grace_time_new_clients_are_served_and_told_to_leave() -> None:
    with started(GRACE_SECONDS="3600") as (child, address):
        before = await asked(address, b"/ready")
        assert (await before.response()).header("connection") is None
        child.send_signal(signal.SIGTERM)
        await until_draining(address)
        await before.send(GET % b"/ready")
        for connection in (before, await asked(address, b"/ready")):
            response = await connection.response()
            assert (response.status, response.header("connection")) == (503, "close")
            assert await connection.read_until_end() == b""
            await connection.close()
        child.send_signal(signal.SIGTERM)
        assert await ended(child) == 0
        with pytest.raises(ConnectionRefusedError):
            await RawConnection.open(address)


async def until_draining(address: tuple[str, int]) -> None:
    """A signal is noticed some time after it was sent."""
    async with asyncio.timeout(10):
        while True:
            async with await asked(address, b"/ready") as connection:
                if (await connection.response()).status == 503:
                    return


async def test_sigint_has_no_grace_time() -> None:
    with started(GRACE_SECONDS="3600") as (child, _):
        child.send_signal(signal.SIGINT)
        assert await ended(child) == 0


@pytest.mark.parametrize("grace", ["0", "3600"], ids=["while it drains", "in the grace time"])
async def test_a_second_sigterm_ends_streams_properly_and_at_once(grace: str) -> None:
    with started(DRAIN_SECONDS="3600", GRACE_SECONDS=grace) as (child, address):
        connections = await streams(address, 20)
        child.send_signal(signal.SIGTERM)
        await (until_refused(address) if grace == "0" else until_draining(address))
        child.send_signal(signal.SIGTERM)
        bodies = await asyncio.gather(*map(rest_of_stream, connections))
        assert all(body.endswith(END) for body in bodies)
        assert await ended(child) == 0


async def until_refused(address: tuple[str, int]) -> None:
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionError):
            while True:
                await (await RawConnection.open(address)).close()
                await asyncio.sleep(0.01)


async def test_an_application_that_never_ends_cannot_hold_up_the_stop() -> None:
    with started() as (child, address):
        connection = await asked(address, b"/stubborn")
        await connection.response_head()
        child.send_signal(signal.SIGTERM)
        assert await connection.read_until_end() == b""
        await connection.close()
        assert await ended(child) == 0


async def test_sighup_is_handed_on_and_nothing_stops() -> None:
    with started() as (child, address):
        child.send_signal(signal.SIGHUP)
        assert child.stdout is not None
        assert await asyncio.to_thread(child.stdout.readline) == b"hangup\n"
        connection = await asked(address, b"/ready")
        assert (await connection.response()).status == 200
        await connection.close()
        child.send_signal(signal.SIGINT)
        assert await ended(child) == 0


async def test_a_request_that_is_still_arriving_when_listening_ends_is_answered() -> None:
    with started(DRAIN_SECONDS="30") as (child, address):
        (holding,) = await streams(address, 1)
        arriving = await RawConnection.open(address)
        await arriving.send((GET % b"/ready")[:-2])
        async with await asked(address, b"/ready") as other:
            await other.response()
        child.send_signal(signal.SIGTERM)
        await until_refused(address)
        await arriving.send(b"\r\n")
        assert (await arriving.response()).status == 503
        await arriving.close()
        child.send_signal(signal.SIGTERM)
        assert (await rest_of_stream(holding)).endswith(END)
        assert await ended(child) == 0


# TLS, several listeners


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    authority.configure_trust(context)
    return context


async def test_tls_serves_http_1_1(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    recorder = Recorder()
    with serving(recorder, tls=lambda: server_tls) as server:
        async with await RawConnection.open(server.address, tls=client_tls) as connection:
            assert connection.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
            for _ in range(2):
                await connection.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n")
                await connection.send(b"x" * 300000)
                assert (await connection.response()).body == b"x" * 300000
            await connection.send(b"GET / HTTP/9.9\r\n\r\n")
            assert (await connection.response()).status == 400
            assert await connection.read_until_end() == b""
    assert recorder.scopes[0]["scheme"] == "https"
    assert recorder.scopes[0]["client"][0] == "127.0.0.1"


async def test_a_client_that_never_begins_tls_is_closed(server_tls: ssl.SSLContext) -> None:
    with serving(Recorder(), tls=lambda: server_tls, limits=Limits(header_seconds=0.3)) as server:
        async with await RawConnection.open(server.address) as connection:
            assert not await connection.read_until_end()


async def test_a_client_that_speaks_plainly_to_a_tls_port_is_closed_and_others_are_served(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    with serving(Recorder(), tls=lambda: server_tls) as server:
        async with await asked(server.address, b"/") as connection:
            await connection.read_until_end()
        async with await RawConnection.open(server.address, tls=client_tls) as connection:
            await connection.send(GET % b"/")
            assert (await connection.response()).status == 200


async def test_two_applications_are_served_on_ports_of_their_own_and_stop_together() -> None:
    main, admin = Recorder(), Recorder()
    sockets = bind("127.0.0.1", 0), bind("127.0.0.1", 0)
    addresses = [group[0].getsockname() for group in sockets]
    listeners = [Listener(main, sockets[0]), Listener(admin, sockets[1])]
    server = Server(listeners, hooks=NoHooks(), grace_seconds=0.0, handle_signals=False)
    serving_task = asyncio.create_task(server.serve())
    await server.started.wait()
    for address, path in zip(addresses, (b"/main", b"/admin"), strict=True):
        async with await asked(address, path) as connection:
            assert (await connection.response()).status == 200
    server.stop()
    await serving_task
    assert [scope["path"] for scope in main.scopes] == ["/main"]
    assert [scope["path"] for scope in admin.scopes] == ["/admin"]
    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            await RawConnection.open(address)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
async def test_both_loops_serve(new_loop: object) -> None:
    with serving(Recorder(), new_loop=new_loop) as server:
        async with await RawConnection.open(server.address) as connection:
            for _ in range(3):
                await connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok")
                assert (await connection.response()).body == b"ok"


async def test_hooks_that_fail_do_not_stop_the_stop(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(NoHooks):
        async def drain(self) -> None:
            raise ValueError("broken")

    began = time.monotonic()
    with serving(Recorder(), hooks=Failing()) as server:
        async with await asked(server.address, b"/") as connection:
            assert (await connection.response()).status == 200
    assert "failed to drain" in caplog.text
    assert time.monotonic() - began < 20
