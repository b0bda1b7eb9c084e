"""The answer that comes over one HTTP/1.1 connection: filled as bytes arrive, read by one task."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from gateway.model.errors import Refusal
from gateway.model.headers import Headers

BUFFER_LIMIT = 128 * 1024
"""Unread body bytes at which reading from the provider stops."""


class Wire(Protocol):
    """The connection, as its answer knows it."""

    loop: asyncio.AbstractEventLoop

    def abort(self) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class HttpReply:
    """A `Reply` over HTTP. Filled by its connection, read by one task."""

    __slots__ = (
        "_buffer", "_failure", "_loop", "_size", "_taker", "_waiter", "_wire", "done", "head_only", "headers",
        "length", "paused", "provider", "status", "upload",
    )  # fmt: skip

    def __init__(self, wire: "Wire", provider: str, head_only: bool) -> None:
        self.provider = provider
        self.head_only = head_only
        self.status = 0
        self.headers: Headers = []
        self.length: int | None = None
        self.done = False
        self.upload: asyncio.Task[None] | None = None
        self._wire = wire
        self._loop = wire.loop
        self._buffer: list[bytes] = []
        self._size = 0
        self.paused = False
        self._failure: BaseException | None = None
        self._taker: Callable[[bytes], bool] | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def started(self) -> None:
        """Return when the head is there."""
        while not self.status:
            if self._failure is not None:
                raise self._failure
            await self._wait()

    async def chunk(self) -> bytes:
        """See `Reply.chunk`. Bytes that arrived before a failure are given out before it is raised."""
        while not self._buffer:
            if self._failure is not None:
                raise self._failure
            if self.done:
                return b""
            await self._wait()
        return self._take()

    async def read(self, limit: int) -> bytes:
        """See `Reply.read`."""
        if self.length is not None and self.length > limit and not self.head_only:
            self._too_long(limit)
        if self.done and self._size <= limit and self._failure is None:
            return self._take() if self._buffer else b""
        parts, size = [], 0
        while data := await self.chunk():
            parts.append(data)
            size += len(data)
            if size > limit:
                self._too_long(limit)
        return b"".join(parts)

    def hand_to(self, taker: Callable[[bytes], bool]) -> None:
        """See `Reply.hand_to`."""
        self._taker = taker

    def close(self) -> None:
        """See `Reply.close`."""
        self._taker = None
        if not self.done:
            self.done = True
            if self._failure is None:
                self._failure = Refusal("upstream_invalid", "The answer was closed before its end.")
            self._wire.abort()
        if self.upload is not None and not self.upload.done():
            self.upload.cancel()

    # Called by the connection.

    def feed(self, data: bytes) -> None:
        waiter = self._waiter
        # Only while its reader waits: so both never act at once, and nothing overtakes what is in the buffer.
        if self._taker is not None and waiter is not None and not waiter.done() and self._taker(data):
            return
        self._buffer.append(data)
        self._size += len(data)
        if self._size > BUFFER_LIMIT and not self.paused:
            self.paused = True
            self._wire.pause_reading()
        self.wake()

    def finish(self) -> None:
        self.done = True
        self.wake()

    def fail(self, failure: BaseException) -> None:
        if self._failure is None and not self.done:
            self._failure = failure
            self.done = True
            self.wake()

    def wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    async def _wait(self) -> None:
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
        except BaseException:  # cancelled: the provider must not go on working for nobody
            self._waiter = None
            self.close()
            raise

    def _take(self) -> bytes:
        buffer = self._buffer
        data = buffer[0] if len(buffer) == 1 else b"".join(buffer)
        buffer.clear()
        self._size = 0
        if self.paused:
            self.paused = False
            if not self.done:
                self._wire.resume_reading()
        return data

    def _too_long(self, limit: int) -> None:
        self.close()
        raise Refusal("upstream_invalid", f"Provider `{self.provider}` sent an answer longer than {limit} bytes.")
