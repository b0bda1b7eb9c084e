"""A scripted provider on a real socket: it records what arrives, byte for byte, and answers as a test says.

    async def script(request: Request, talk: Conversation) -> None:
        await talk.start(200, [("content-type", "text/event-stream")])
        await talk.chunk(b"data: {}\\n\\n")
        await talk.end()

    async with ScriptedUpstream(script) as upstream:      # or `with threaded(script) as upstream:` in a sync test
        ...                                               # upstream.url, upstream.requests, await upstream.arrived()

A script is such a function, raw bytes sent as they are, or a list of either: one for each request, the last repeats.
"""

import asyncio
import json as json_module
import socket
import ssl as ssl_module
import struct
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

Script = Callable[["Request", "Conversation"], Awaitable[None]] | bytes
HeaderPairs = Iterable[tuple[str, str]]

WITHIN = 10.0
"""Seconds after which waiting for something that should have happened fails."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came off the wire. `connection` counts sockets from 0; names in `headers` are as sent."""

    method: str
    target: bytes
    version: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    connection: int
    head: bytes = b""

    def header(self, name: str) -> str | None:
        """The only value of a header, whatever its case; fails if it was sent twice."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        return [v.decode("latin-1") for n, v in self.headers if n.lower() == name.encode()]

    def json(self) -> Any:
        return json_module.loads(self.body)


# -- bytes of answers ---------------------------------------------------------------------------------------------


def head(status: int, headers: HeaderPairs = (), *, version: str = "1.1", reason: str = "Said") -> bytes:
    lines = [f"HTTP/{version} {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def answer(status: int, body: bytes = b"", headers: HeaderPairs = ()) -> bytes:
    """A whole answer with its right content-length."""
    return head(status, [*headers, ("content-length", str(len(body)))]) + body


def json_answer(document: Any, status: int = 200, headers: HeaderPairs = ()) -> bytes:
    return answer(status, json_module.dumps(document).encode(), [("content-type", "application/json"), *headers])


def close_delimited(body: bytes, headers: HeaderPairs = (), *, version: str = "1.0") -> bytes:
    """An answer that ends where the connection does; the script must close it."""
    return head(200, headers, version=version) + body


def http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(document: Any, name: str | None = None) -> bytes:
    """One SSE event; `document` is JSON unless it is a str."""
    data = document if isinstance(document, str) else json_module.dumps(document, separators=(",", ":"))
    return ((f"event: {name}\n" if name else "") + f"data: {data}\n\n").encode()


SSE = [("content-type", "text/event-stream")]


def sse_answer(events: Iterable[bytes], headers: HeaderPairs = ()) -> bytes:
    """A whole chunked stream, one HTTP chunk an event, ended properly."""
    return (
        head(200, [*SSE, *headers, ("transfer-encoding", "chunked")]) + b"".join(map(http_chunk, events)) + b"0\r\n\r\n"
    )


# -- one connection -----------------------------------------------------------------------------------------------


class _Socket(asyncio.StreamReaderProtocol):
    """StreamReaderProtocol that says when the client has closed its side."""

    def __init__(self, serve: Callable[..., Awaitable[None]]) -> None:
        self.gone = asyncio.Event()
        self.gone_at: float | None = None
        loop = asyncio.get_running_loop()
        super().__init__(asyncio.StreamReader(limit=1 << 24, loop=loop), self._start, loop=loop)
        self._serve = serve

    def _start(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Awaitable[None]:
        return self._serve(self, reader, writer)

    def _leave(self) -> None:
        if self.gone_at is None:
            self.gone_at = asyncio.get_running_loop().time()
            self.gone.set()

    def eof_received(self) -> bool:
        self._leave()
        return bool(super().eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)


@dataclass(slots=True)
class Conversation:
    """What a script does on one connection. Every `send` is one write; the script decides where bytes are cut."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    socket: _Socket
    chunked: bool = False
    finished: bool = field(default=False, init=False)

    @property
    def client_gone(self) -> asyncio.Event:
        """Set when the client has closed the connection or its sending half."""
        return self.socket.gone

    @property
    def gone_at(self) -> float | None:
        """Loop time at which the client went."""
        return self.socket.gone_at

    async def gone(self, within: float = WITHIN) -> None:
        async with asyncio.timeout(within):
            await self.socket.gone.wait()

    async def send(self, data: bytes) -> None:
        """One write, on its way before this returns. Says nothing if the client has gone."""
        if self.writer.transport.is_closing():
            return
        self.writer.write(data)
        try:
            await self.writer.drain()
            while self.writer.transport.get_write_buffer_size() and not self.writer.transport.is_closing():
                await asyncio.sleep(0)
        except ConnectionError:
            pass

    async def json(self, document: Any, status: int = 200, headers: HeaderPairs = ()) -> None:
        await self.send(json_answer(document, status, headers))

    async def start(self, status: int = 200, headers: HeaderPairs = SSE, *, chunked: bool = True) -> None:
        """The head of an answer whose body follows by `chunk` and `end`."""
        self.chunked = chunked
        extra = [("transfer-encoding", "chunked")] if chunked else []
        await self.send(head(status, [*headers, *extra]))

    async def chunk(self, data: bytes) -> None:
        await self.send(http_chunk(data) if self.chunked else data)

    async def events(self, events: Iterable[bytes], gap: float | None = None) -> None:
        """Each event in its own HTTP chunk and write."""
        for one in events:
            await self.chunk(one)
            if gap is not None:
                await asyncio.sleep(gap)

    async def end(self) -> None:
        if self.chunked:
            await self.send(b"0\r\n\r\n")

    async def hang(self) -> None:
        """Say nothing more until the client goes."""
        await self.socket.gone.wait()

    def close(self) -> None:
        """Close properly, after what was sent."""
        self.finished = True
        self.writer.close()

    def half_close(self) -> None:
        """FIN: nothing more comes, but the connection stays open for reading."""
        self.writer.write_eof()

    def reset(self) -> None:
        """RST instead of FIN."""
        self.finished = True
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


# -- the server ---------------------------------------------------------------------------------------------------


class ScriptedUpstream:
    """Serves `script` on 127.0.0.1 at a free port.

    Args:
        script: what to answer; may be replaced while it runs (`upstream.script = …`).
        read_body: False hands the conversation over after the head: the script reads the body itself. May be replaced
            while it runs.
        tls: a server-side context; then `url` says https and `localhost`.
    """

    def __init__(
        self,
        script: Script | Sequence[Script] = b"",
        *,
        read_body: bool = True,
        tls: ssl_module.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.conversations: list[Conversation] = []
        """One for each request, in step with `requests`."""
        self.connections = 0
        self.errors: list[BaseException] = []
        self.port = 0
        self.read_body = read_body
        self._host, self._tls = host, tls
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Without a path."""
        return f"https://localhost:{self.port}" if self._tls else f"http://{self._host}:{self.port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Socket(self._serve), self._host, 0, ssl=self._tls, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if kind is None and self.errors:
            raise self.errors[0]

    async def arrived(self, count: int = 1, within: float = WITHIN) -> Request:
        """The `count`-th request, as soon as it is there."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    async def client_gone(self, count: int = 1, within: float = WITHIN) -> float:
        """Loop time at which the client closed the connection of the `count`-th request."""
        await self.arrived(count, within)
        talk = self.conversations[count - 1]
        await talk.gone(within)
        assert talk.gone_at is not None
        return talk.gone_at

    async def _serve(self, sock: _Socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.connections = self.connections, self.connections + 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._turn(number, Conversation(reader, writer, sock)):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went, or the test is over: what it saw is in `conversations`
        except BaseException as error:  # a failing script must fail its test, not vanish in this task
            self.errors.append(error)
        finally:
            writer.transport.abort() if sock.gone.is_set() else writer.close()
            self._tasks.discard(task)

    async def _turn(self, number: int, talk: Conversation) -> bool:
        """One request and its answer; False when the connection is over."""
        request = await self._read(number, talk.reader, talk.writer)
        if request is None:
            return False
        async with self._changed:
            self.requests.append(request)
            self.conversations.append(talk)
            self._changed.notify_all()
        script = self._script_for(len(self.requests) - 1)
        if isinstance(script, bytes):
            await talk.send(script)
        else:
            await script(request, talk)
        return not talk.finished and not talk.writer.transport.is_closing()

    def _script_for(self, index: int) -> Script:
        if isinstance(self.script, bytes) or callable(self.script):
            return self.script
        return self.script[min(index, len(self.script) - 1)]

    async def _read(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
        try:
            raw = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = raw[:-4].split(b"\r\n")
        method, target, version = first.split(b" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
        named = {name.lower(): value for name, value in headers}
        if named.get(b"expect", b"").lower() == b"100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _body(reader, named) if self.read_body else b""
        return Request(method.decode(), target, version, headers, body, number, raw)


async def _body(reader: asyncio.StreamReader, headers: dict[bytes, bytes]) -> bytes:
    if headers.get(b"transfer-encoding", b"").lower() != b"chunked":
        return await reader.readexactly(int(headers.get(b"content-length", 0)))
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readuntil(b"\r\n")
    return b"".join(parts)


class ThreadedUpstream:
    """A `ScriptedUpstream` on a loop of its own, for tests that block."""

    def __init__(self, upstream: ScriptedUpstream, loop: asyncio.AbstractEventLoop) -> None:
        self.inner, self._loop = upstream, loop
        self.url, self.port, self.requests = upstream.url, upstream.port, upstream.requests

    def arrived(self, count: int = 1, within: float = WITHIN) -> Request:
        return asyncio.run_coroutine_threadsafe(self.inner.arrived(count, within), self._loop).result(within + 1)

    def client_gone(self, count: int = 1, within: float = WITHIN) -> None:
        asyncio.run_coroutine_threadsafe(self.inner.client_gone(count, within), self._loop).result(within + 1)


@contextmanager
def threaded(script: Script | Sequence[Script], **settings: Any) -> Iterator[ThreadedUpstream]:
    """The same server for a sync test; the script still runs as a coroutine, in the server's thread."""
    started: list[ThreadedUpstream] = []
    failed: list[BaseException] = []
    ready, over = threading.Event(), asyncio.Event()

    async def run() -> None:
        async with ScriptedUpstream(script, **settings) as upstream:
            started.append(ThreadedUpstream(upstream, asyncio.get_running_loop()))
            ready.set()
            await over.wait()

    def main() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # shown to the test below
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=main, daemon=True)
    thread.start()
    ready.wait(WITHIN)
    try:
        if failed:
            raise failed[0]
        yield started[0]
    finally:
        if started and thread.is_alive():
            started[0]._loop.call_soon_threadsafe(over.set)
        thread.join(WITHIN)
    if failed:
        raise failed[0]
