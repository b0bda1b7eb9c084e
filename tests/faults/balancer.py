"""A TCP balancer of the plainest kind: new connections go in turn to the replicas whose readiness probe says yes."""

import asyncio
import contextlib
import socket
from types import TracebackType

from tests.faults.world import request
from tests.support.raw_http import RawConnection

Address = tuple[str, int]

_READYZ = request("/readyz", method="GET", connection="close")
_LOOK_SECONDS = 0.1


class Balancer:
    """Listens on 127.0.0.1; `backends` may change at any time. A connection stays with its backend to its end."""

    def __init__(self) -> None:
        self.backends: list[Address] = []
        self.ready: set[Address] = set()
        self.refused = 0
        self._turn = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Balancer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.address: Address = self._server.sockets[0].getsockname()
        self._looking = asyncio.create_task(self._look())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._looking.cancel()
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(self._looking, *self._tasks, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            await asyncio.gather(*(self._ask(backend) for backend in list(self.backends)))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _ask(self, backend: Address) -> None:
        try:
            async with await RawConnection.open(backend) as connection:
                await connection.send(_READYZ)
                well = (await connection.response()).status == 200
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            well = False
        (self.ready.add if well else self.ready.discard)(backend)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            there = await self._connect()
            if there is None:
                self.refused += 1
                return
            await self._join(reader, writer, *there)
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in range(len(self.backends)):
            ready = [backend for backend in self.backends if backend in self.ready]
            if not ready:
                return None
            self._turn += 1
            backend = ready[self._turn % len(ready)]
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(*backend)
            self.ready.discard(backend)
        return None

    async def _join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there_reader: asyncio.StreamReader,
        there_writer: asyncio.StreamWriter,
    ) -> None:
        """Pass both ways until either end closes; a reset is passed on as one."""
        both = {
            asyncio.create_task(self._pass(reader, there_writer)),
            asyncio.create_task(self._pass(there_reader, writer)),
        }
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if any(task.exception() is not None for task in done):
                for side in (writer, there_writer):
                    sock = side.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                    side.transport.abort()
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            there_writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
