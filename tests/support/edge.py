"""Runs the edge server with a small application, in a thread with a loop of its own or as a process."""

import asyncio
import contextlib
import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import uvloop

from gateway.edge.asgi import App, Message, Receive, Scope, Send
from gateway.edge.connections import Limits
from gateway.edge.server import Listener, Server
from gateway.edge.sockets import bind

PATIENCE = 10.0


class NoHooks:
    """An application that has nothing to drain."""

    def on_draining(self) -> None: ...

    async def drain(self) -> None: ...

    def hurry(self) -> None: ...


class Running:
    """A server in a thread."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop, address: tuple[str, int]) -> None:
        self.server = server
        self.loop = loop
        self.address = address

    def call(self, function: Callable[[], Any]) -> Any:
        """The result of `function`, run in the server's loop."""

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(PATIENCE)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds in the server's loop."""
        async with asyncio.timeout(PATIENCE):
            while not self.call(condition):
                await asyncio.sleep(0.005)


@contextlib.contextmanager
def serving(
    app: App, *, limits: Limits | None = None, new_loop: Callable[[], Any] = uvloop.new_event_loop, **options: Any
) -> Iterator[Running]:
    """Serve `app` on a free loopback port; stops without grace."""
    tls = options.pop("tls", None)
    options = {"hooks": NoHooks(), "grace_seconds": 0.0, "flush_seconds": 0.5, **options}
    started: list[Running] = []
    ready = threading.Event()
    sockets = bind("127.0.0.1", 0)
    address = sockets[0].getsockname()

    async def serve() -> None:
        server = Server(
            [Listener(app, sockets, tls)],
            limits=limits,
            handle_signals=False,
            **options,
        )
        started.append(Running(server, asyncio.get_running_loop(), address))
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve())
            await server.started.wait()
            ready.set()

    def main() -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=main)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield started[0]
    finally:
        started[0].loop.call_soon_threadsafe(lambda: started[0].server.stop(grace=False))
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the server did not end"


@contextlib.contextmanager
def process(code: str, *, env: dict[str, str] | None = None, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that runs `code`, killed at the end if it is still there."""
    command: Sequence[str] = [sys.executable, "-W", "error", "-c", code]
    root = pathlib.Path(__file__).parents[2]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, env={**os.environ, **(env or {})}, **options)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


async def read_body(receive: Receive) -> bytes | None:
    """The whole request body; None if the client left before its end."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message["body"]
        if not message["more_body"]:
            return body


async def answer(send: Send, body: bytes, *, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    """A whole answer with its length."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


class Recorder:
    """An application that remembers each request and answers with its body."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.bodies: list[bytes | None] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        body = await read_body(receive)
        self.bodies.append(body)
        if body is not None:
            await answer(send, body)


def start_message(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body_message(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


class WrittenTransport(asyncio.Transport):
    """Keeps what is written; for feeding a protocol exact pieces without a socket between."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...
