"""Providers that cost and keep next to nothing, for runs of many requests or many streams."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from tests.support.chat_streams import DONE, chunk
from tests.support.upstream import SSE, head, http_chunk, json_answer

WHOLE = json_answer(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }
)
STREAM_HEAD = head(200, [*SSE, ("transfer-encoding", "chunked"), ("connection", "close")])
WORD = http_chunk(chunk({"content": "word"}))
END = http_chunk(chunk({}, finish="stop") + DONE) + b"0\r\n\r\n"


class Provider(asyncio.Protocol):
    """Reads requests of counted length; what answers them is `answer`. Forgets each at once."""

    def __init__(self, connected: "set[Provider]") -> None:
        self._connected = connected
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._connected.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connected.discard(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n") + 4) > 3:
            _, named, rest = self._received[:end].lower().partition(b"content-length:")
            length = int(rest.partition(b"\r\n")[0]) if named else 0
            if len(self._received) < end + length:
                return
            self._received = self._received[end + length :]
            self.answer()

    def answer(self) -> None:
        """A small whole answer."""
        self.transport.write(WHOLE)


class Idling(Provider):
    """Begins a stream and says nothing more until it is told to."""

    def answer(self) -> None:
        self.transport.write(STREAM_HEAD + WORD)

    def end(self) -> None:
        self.transport.write(END)
        self.transport.close()


@asynccontextmanager
async def providing(kind: Callable[[set[Any]], Provider]) -> AsyncIterator[tuple[str, set[Any]]]:
    """Serve on a free port for the length of a block: the URL, and the connections there are."""
    connected: set[Any] = set()
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listening:
        server = await asyncio.get_running_loop().create_server(lambda: kind(connected), sock=listening, backlog=4096)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", connected
        finally:
            server.close()
            for one in list(connected):
                one.transport.abort()
            await server.wait_closed()
