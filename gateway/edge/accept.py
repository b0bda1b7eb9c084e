"""Takes connections from one listening socket. Never spins and never stops for good when file descriptors run out:
libuv's own listener would shed clients then, and can close itself without a word."""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from typing import Any

BATCH = 32
"""Connections taken at once, so that one worker does not take all and the loop serves others between."""
PAUSE_SECONDS = 0.1
BACKLOG = 2048

logger = logging.getLogger(__name__)


class Acceptor:
    """Hands each accepted socket to `connect`, a coroutine run in a task of its own.

    While `is_full()` or out of file descriptors, clients wait in the kernel's queue.
    """

    def __init__(
        self,
        sock: socket.socket,
        connect: Callable[[socket.socket], Coroutine[Any, Any, None]],
        *,
        is_full: Callable[[], bool] = lambda: False,
    ) -> None:
        self._sock = sock
        self._connect = connect
        self._is_full = is_full
        self._loop = asyncio.get_running_loop()
        self._retry: asyncio.TimerHandle | None = None
        self._warned = False
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._sock.setblocking(False)
        self._sock.listen(BACKLOG)
        self._loop.add_reader(self._sock, self._accept)

    def close(self) -> None:
        """Take what is already in the queue, then close the socket. Connections accepted before live on."""
        if self._sock.fileno() < 0:
            return
        self._accept()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._loop.remove_reader(self._sock)
        self._sock.close()

    def abandon(self) -> None:
        """Give up connections whose TLS handshake is not complete."""
        for task in list(self._tasks):
            task.cancel()

    def _accept(self) -> None:
        for _ in range(BATCH):
            if self._is_full():
                self._pause("the connection limit is reached")
                return
            try:
                sock, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(str(error))
                return
            sock.setblocking(False)
            task = self._loop.create_task(self._connect(sock))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._warned = False

    def _pause(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("New connections wait: %s", reason)
        if self._retry is None:
            self._loop.remove_reader(self._sock)
            self._retry = self._loop.call_later(PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        self._retry = None
        self._loop.add_reader(self._sock, self._accept)
