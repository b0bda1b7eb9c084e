"""Taking connections when there is no room for them."""

import asyncio
import socket

import pytest

from gateway.edge import accept
from gateway.edge.accept import Acceptor
from gateway.edge.sockets import bind
from tests.support.edge import process
from tests.support.raw_http import RawConnection

OUT_OF_DESCRIPTORS = """
import asyncio, logging, resource, sys, time, uvloop
from gateway.edge.server import Listener, Server
from gateway.edge.sockets import bind
from tests.support.edge import NoHooks, answer

logging.basicConfig(format="%(message)s")

async def app(scope, receive, send):
    await answer(send, b"%d" % (time.process_time() * 1000))

async def main():
    sockets = bind("127.0.0.1", 0)
    server = Server([Listener(app, sockets)], hooks=NoHooks(), grace_seconds=0)
    serving = asyncio.create_task(server.serve())
    await server.started.wait()
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    print(sockets[0].getsockname()[1], flush=True)
    await serving

uvloop.run(main())
"""
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_without_file_descriptors_clients_wait_and_are_served_when_some_are_free() -> None:
    with process(OUT_OF_DESCRIPTORS) as server:
        assert server.stdout is not None
        address = ("127.0.0.1", int(server.stdout.readline()))
        connections = [await RawConnection.open(address) for _ in range(60)]
        for connection in connections:
            await connection.send(GET)
        before = float((await connections[0].response()).body)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await connections[-1].reader.readexactly(1)
        await connections[0].send(GET)
        spent = float((await connections[0].response()).body) - before
        assert spent < 300, "the server was busy while it could accept nobody"
        for connection in connections[:40]:
            await connection.close()
        for connection in connections[40:]:
            assert (await connection.response()).status == 200
            await connection.close()


async def test_further_clients_wait_while_it_is_full() -> None:
    (sock,) = bind("127.0.0.1", 0)
    taken: asyncio.Queue[socket.socket] = asyncio.Queue()
    waits = asyncio.Event()

    def is_full() -> bool:
        full = taken.qsize() >= 1
        if full:
            waits.set()
        return full

    acceptor = Acceptor(sock, taken.put, is_full=is_full)
    acceptor.start()
    first = await RawConnection.open(sock.getsockname())
    async with asyncio.timeout(5):
        while taken.empty():
            await asyncio.sleep(0)
        second = await RawConnection.open(sock.getsockname())
        await waits.wait()
    assert taken.qsize() == 1
    (await asyncio.wait_for(taken.get(), 5)).close()
    (await asyncio.wait_for(taken.get(), 5)).close()
    acceptor.close()
    await first.close()
    await second.close()


async def test_who_is_in_the_queue_when_it_closes_is_taken() -> None:
    (sock,) = bind("127.0.0.1", 0)
    taken: asyncio.Queue[socket.socket] = asyncio.Queue()
    acceptor = Acceptor(sock, taken.put)
    acceptor.start()
    with socket.create_connection(sock.getsockname()):
        acceptor.close()
        acceptor.close()
        (await asyncio.wait_for(taken.get(), 5)).close()
    assert sock.fileno() == -1


async def test_closing_while_it_is_full_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "PAUSE_SECONDS", 0.01)
    (sock,) = bind("127.0.0.1", 0)
    loop, taken, warned, asked = asyncio.get_running_loop(), [], [], asyncio.Event()

    async def take(accepted: socket.socket) -> None:
        taken.append(accepted)

    def is_full() -> bool:
        asked.set()
        return True

    loop.set_exception_handler(lambda _, context: warned.append(context))
    acceptor = Acceptor(sock, take, is_full=is_full)
    acceptor.start()
    with socket.create_connection(sock.getsockname()) as client:
        await asyncio.wait_for(asked.wait(), 5)
        acceptor.close()
        over = asyncio.Event()
        loop.call_later(0.05, over.set)  # after the pause would have ended
        await over.wait()
        with pytest.raises(ConnectionError):
            client.setblocking(False)
            await loop.sock_recv(client, 1)
    assert not taken and not warned


async def test_a_connection_that_is_being_made_is_given_up_when_told_to() -> None:
    (sock,) = bind("127.0.0.1", 0)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def never(accepted: socket.socket) -> None:
        with accepted:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    acceptor = Acceptor(sock, never)
    acceptor.start()
    with socket.create_connection(sock.getsockname()):
        await asyncio.wait_for(begun.wait(), 5)
        acceptor.close()
        acceptor.abandon()
        await asyncio.wait_for(ended.wait(), 5)
