"""A webhook's receiver on a real socket: keeps what it is told and answers as a test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass
class Received:
    """One request."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def document(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Receiver:
    """`answer` gives the head of each answer's first lines; None: break off."""

    answer: Callable[[Received], str | None] = lambda received: "204 No Content"
    url: str = ""
    all: list[Received] = field(default_factory=list)

    def ids(self) -> list[str]:
        return [one.id for one in self.all]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                received = Received(headers, await reader.readexactly(int(headers["content-length"])))
                self.all.append(received)
                answer = self.answer(received)
                if answer is None:
                    return
                writer.write(f"HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?token=1"
    try:
        yield receiver
    finally:
        server.close()
