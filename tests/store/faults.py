"""A TCP proxy in front of a real Redis that spoils what passes."""

import asyncio
import contextlib
from types import TracebackType


class FaultProxy:
    """Listens on 127.0.0.1 and passes everything on to a Unix socket, until told otherwise.

    Attributes:
        fault: "" none; of the replies read together: `swap` exchanges the last two before the final one, `drop` leaves
            the first out, `double` sends it twice, `garbage` puts other bytes in front, `cut` closes half-way.
        after: how many batches of replies pass unspoiled before.
        delay: seconds before replies are passed on.
        spoiled: how often a fault was put in.
    """

    def __init__(self, url: str) -> None:
        self._path = url.removeprefix("unix://")
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.fault = ""
        self.after = 0
        self.delay = 0.0
        self.spoiled = 0

    async def __aenter__(self) -> "FaultProxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        upstream_reader, upstream_writer = await asyncio.open_unix_connection(self._path)
        there = asyncio.create_task(self._pass(reader, upstream_writer))
        try:
            with contextlib.suppress(asyncio.CancelledError):  # the end of the proxy, which asyncio would log
                await self._pass_back(upstream_reader, writer)
        finally:
            there.cancel()
            for side in (writer, upstream_writer):
                side.close()
            with contextlib.suppress(OSError):
                await asyncio.gather(there, writer.wait_closed(), upstream_writer.wait_closed(), return_exceptions=True)
            self._tasks.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()

    async def _pass_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parser = RawReplies()
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65_536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                replies = parser.feed(chunk)
                before = self.spoiled
                writer.write(self._spoil(replies))
                await writer.drain()
                if self.fault == "cut" and self.spoiled > before:
                    return

    def _spoil(self, replies: list[bytes]) -> bytes:
        whole = b"".join(replies)
        if not self.fault or len(replies) < (4 if self.fault == "swap" else 2):
            return whole
        if self.after:
            self.after -= 1
            return whole
        self.spoiled += 1
        match self.fault:
            case "swap":
                return b"".join([*replies[:-3], replies[-2], replies[-3], replies[-1]])
            case "drop":
                return b"".join(replies[1:])
            case "double":
                return replies[0] + whole
            case "garbage":
                return b"\x00HTTP/1.1 400\r\n\r\n" + whole
            case _:
                return whole[: len(whole) // 2]


class RawReplies:
    """Cuts bytes of RESP2 into whole replies, unread."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        self._rest += data
        replies = []
        while (end := _end_of_reply(self._rest, 0)) is not None:
            replies.append(self._rest[:end])
            self._rest = self._rest[end:]
        return replies


def _end_of_reply(data: bytes, start: int) -> int | None:
    line_end = data.find(b"\r\n", start)
    if line_end < 0:
        return None
    kind, after = data[start : start + 1], line_end + 2
    if kind in b"+-:":
        return after
    size = int(data[start + 1 : line_end])
    if kind == b"$":
        end = after if size < 0 else after + size + 2
        return end if end <= len(data) else None
    for _ in range(max(size, 0)):
        inner = _end_of_reply(data, after)
        if inner is None:
            return None
        after = inner
    return after
