"""Serves ASGI applications on sockets until told to stop, then drains: no open response is cut by the stop itself.

    SIGTERM, SIGINT     drain; a second one: everything within `hurry_seconds`
    SIGHUP              `on_hangup`

There is no ASGI lifespan: what must run before and after is up to the caller of `serve`.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from gateway.edge.accept import Acceptor
from gateway.edge.asgi import App
from gateway.edge.connections import EdgeState, Limits
from gateway.edge.protocol import GuardedProtocol

logger = logging.getLogger(__name__)

TLS_SHUTDOWN_SECONDS = 2.0
"""How long a closing TLS connection waits for the client's close_notify."""


class DrainHooks(Protocol):
    """What the application does while the server drains."""

    def on_draining(self) -> None:
        """The drain begins; readiness must say so. New requests still come for the grace time."""

    async def drain(self) -> None:
        """Returns when no exchange is under way: ended by itself, or in-band at its own deadline."""

    def hurry(self) -> None:
        """End everything now, in-band; `drain()` is cancelled if it has not returned soon."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One application on its sockets, which `serve` closes. `tls` is asked for each new connection; None: no TLS."""

    app: App
    sockets: Sequence[socket.socket]
    tls: Callable[[], ssl.SSLContext] | None = None


class Server:
    """Serves its listeners from start to drain.

    Args:
        listeners: all are served, and drained together.
        hooks: the application's part of the drain.
        limits: what a client may take.
        grace_seconds: how long new connections are still accepted after SIGTERM, so that load balancers notice. After
            SIGINT: not at all.
        flush_seconds: how long, after the drain, responses may take to be written out.
        hurry_seconds: how long everything may take after a second signal.
        max_connections: further clients wait in the kernel's queue; None: file descriptors are the only limit.
        on_hangup: called at SIGHUP.
        handle_signals: False leaves signals to the caller, as in tests.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        *,
        hooks: DrainHooks,
        limits: Limits | None = None,
        grace_seconds: float = 2.0,
        flush_seconds: float = 5.0,
        hurry_seconds: float = 2.0,
        max_connections: int | None = None,
        on_hangup: Callable[[], None] | None = None,
        handle_signals: bool = True,
    ) -> None:
        self._listeners = listeners
        self._hooks = hooks
        self._grace_seconds = grace_seconds
        self._flush_seconds = flush_seconds
        self._hurry_seconds = hurry_seconds
        self._max_connections = max_connections
        self._on_hangup = on_hangup
        self._handle_signals = handle_signals

        self.state = EdgeState(limits or Limits())
        self.started = asyncio.Event()
        """Set once connections are accepted."""
        self._stopping = asyncio.Event()
        self._hurrying = asyncio.Event()
        self._acceptors: list[Acceptor] = []

    async def serve(self) -> None:
        """Serve until `stop` is called or a signal comes, and drain. Returns when every connection is closed."""
        self._listen_to_signals()
        self.state.start()
        try:
            self._open()
            self.started.set()
            await self._stopping.wait()
            await self._drain()
        finally:
            self._close_listeners()
            self.state.stop()

    def stop(self, *, grace: bool = True) -> None:
        """Begin to drain; called again: hurry."""
        if self._stopping.is_set():
            self._hurrying.set()
            return
        if not grace:
            self._grace_seconds = 0.0
        self.state.draining = True
        self._hooks.on_draining()
        self._stopping.set()

    # Taking connections

    def _open(self) -> None:
        for listener in self._listeners:
            for sock in listener.sockets:
                acceptor = Acceptor(sock, partial(self._connect, listener), is_full=self._is_full)
                acceptor.start()
                self._acceptors.append(acceptor)

    def _is_full(self) -> bool:
        return self._max_connections is not None and len(self.state.connections) >= self._max_connections

    async def _connect(self, listener: Listener, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            if listener.tls is None:
                await loop.connect_accepted_socket(partial(GuardedProtocol, listener.app, self.state), sock)
                return
            await loop.connect_accepted_socket(
                partial(GuardedProtocol, listener.app, self.state, scheme="https"),
                sock,
                ssl=listener.tls(),
                ssl_handshake_timeout=self.state.limits.header_seconds,
                ssl_shutdown_timeout=TLS_SHUTDOWN_SECONDS,
            )
        except OSError as error:  # gone already, or no TLS handshake in time
            logger.debug("A connection failed before its first request: %s", error)
            sock.close()

    def _close_listeners(self) -> None:
        for acceptor in self._acceptors:
            acceptor.close()

    # Ending

    async def _drain(self) -> None:
        logger.info("Draining %d connections", len(self.state.connections))
        steps = asyncio.create_task(self._drain_steps())
        hurry = asyncio.create_task(self._hurrying.wait())
        try:
            await asyncio.wait({steps, hurry}, return_when=asyncio.FIRST_COMPLETED)
            if not steps.done():
                logger.info("Told again to stop: ending %d connections", len(self.state.connections))
                self._hooks.hurry()
                await asyncio.wait({steps}, timeout=self._hurry_seconds)
        finally:
            steps.cancel()
            hurry.cancel()
            await asyncio.wait({steps, hurry})
            self._cut_what_is_left()

    async def _drain_steps(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurrying.wait(), self._grace_seconds)
        self._close_listeners()
        for connection in list(self.state.connections):
            connection.close_idle(fresh=False)
        try:
            await self._hooks.drain()
        except Exception:  # whatever it is, the process must still end
            logger.exception("The application failed to drain")
        await self._flush()

    async def _flush(self) -> None:
        """Let what is written leave. Answers the hooks do not know of have until the deadline too."""
        self.state.closing = True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._flush_seconds
        while self.state.connections and loop.time() < deadline:
            for connection in list(self.state.connections):
                connection.close_idle(fresh=True)
            await asyncio.sleep(0.01)
        for task in list(self.state.tasks):
            task.cancel()
        if self.state.tasks:
            await asyncio.wait(list(self.state.tasks), timeout=0.5)

    def _cut_what_is_left(self) -> None:
        for acceptor in self._acceptors:
            acceptor.abandon()
        for task in list(self.state.tasks):
            task.cancel()
        for connection in list(self.state.connections):
            connection.abort()

    def _listen_to_signals(self) -> None:
        """Until the loop is closed: told to stop once more while the last things are kept, the process goes on."""
        if not self._handle_signals:
            return
        loop = asyncio.get_running_loop()
        handlers: dict[int, Callable[[], None]] = {
            signal.SIGTERM: self.stop,
            signal.SIGINT: partial(self.stop, grace=False),
        }
        if self._on_hangup is not None:
            handlers[signal.SIGHUP] = self._on_hangup
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)  # what came while the process started comes now
