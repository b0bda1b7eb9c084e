"""An application with streams that know how to end while the server drains; run as a process by the edge's tests.

    /stream     events until the drain's deadline, then an error event and the end
    /whole      an answer after 1 s
    /ready      200, or 503 once the drain has begun
    /stubborn   never ends, whatever the hooks say

Environment: DRAIN_SECONDS (deadline of streams), GRACE_SECONDS, WORKER (any value: use inherited sockets).
Prints its port first, then one line for each SIGHUP, and `ended` at its end.
"""

import asyncio
import os
import sys

import uvloop

from gateway.edge.asgi import Receive, Scope, Send
from gateway.edge.server import Listener, Server
from gateway.edge.sockets import bind, inherited_sockets
from gateway.edge.workers import watch_parent, worker_id
from tests.support.edge import answer, body_message, start_message

END = b'data: {"error":{"code":"gateway_draining"}}\n\n'


class Application:
    def __init__(self) -> None:
        self.draining = False
        self.open = 0
        self.all_closed = asyncio.Event()
        self.must_end = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/ready":
            await answer(send, b"", status=503 if self.draining else 200)
        elif scope["path"] == "/id":
            await answer(send, b"%d %d" % (worker_id(os.environ), os.getpid()))
        elif scope["path"] == "/stubborn":
            await send(start_message())
            await asyncio.sleep(3600)
        else:
            self.open += 1
            try:
                await (self.stream(send) if scope["path"] == "/stream" else self.whole(send))
            finally:
                self.open -= 1
                if not self.open:
                    self.all_closed.set()

    async def whole(self, send: Send) -> None:
        await asyncio.sleep(1.0)
        await answer(send, b"whole")

    async def stream(self, send: Send) -> None:
        await send(start_message(200, (b"content-type", b"text/event-stream")))
        while not self.must_end.is_set():
            await send(body_message(b"data: {}\n\n", more=True))
            try:
                await asyncio.wait_for(self.must_end.wait(), 0.05)
            except TimeoutError:
                continue
        await send(body_message(END, more=True))
        await send(body_message(b""))

    def on_draining(self) -> None:
        self.draining = True

    async def drain(self) -> None:
        if self.open:
            self.all_closed.clear()
            try:
                await asyncio.wait_for(self.all_closed.wait(), float(os.environ.get("DRAIN_SECONDS", "0.5")))
            except TimeoutError:
                self.must_end.set()
                await self.all_closed.wait()

    def hurry(self) -> None:
        self.must_end.set()


async def main() -> None:
    app = Application()
    inherited = inherited_sockets(os.environ)
    sockets = inherited["main"] if inherited else bind("127.0.0.1", 0)
    server = Server(
        [Listener(app, sockets)],
        hooks=app,
        grace_seconds=float(os.environ.get("GRACE_SECONDS", "0")),
        flush_seconds=1.0,
        on_hangup=lambda: os.write(1, b"hangup\n"),  # one write: two processes share the pipe
    )
    watch_parent(os.environ, lambda: server.stop(grace=False))
    serving = asyncio.create_task(server.serve())
    await server.started.wait()
    os.write(1, b"%d\n" % sockets[0].getsockname()[1])
    await serving
    print("ended", flush=True)


if __name__ == "__main__":
    uvloop.run(main())
    sys.exit(0)
