"""One request and its response, as ASGI sees them (https://asgi.readthedocs.io/en/stable/specs/www.html, 2.3).

Never answers by itself but with the 500 of an application that failed before it answered.
"""

import asyncio
import http
import logging
from typing import Any, Protocol

from gateway.edge.asgi import App, Message, Scope, respond
from gateway.edge.framing import Head, field_lines
from gateway.model.errors import Refusal
from gateway.model.headers import Headers
from gateway.wire.openai_errors import error_body

BODY_BUFFER = 65536
"""Bytes of a request body that wait for the application before reading from the client pauses."""

logger = logging.getLogger(__name__)

_STATUS_LINES = {
    status: b"HTTP/1.1 %d %b\r\n" % (status, phrase.encode())
    for status, phrase in [(s, next((h.phrase for h in http.HTTPStatus if h == s), "")) for s in range(200, 600)]
}
_BODILESS = (204, 304)
_FRAMING = frozenset((b"connection", b"content-length", b"transfer-encoding"))
_FAILED = error_body(Refusal("internal_error", "The gateway failed to answer this request."))


class Wire(Protocol):
    """What a cycle needs of its connection."""

    write_paused: bool

    async def writable(self) -> None: ...

    def write(self, data: bytes) -> None: ...

    def resume_reading(self) -> None: ...

    def pause_reading(self) -> None: ...

    def persists(self) -> bool:
        """Whether the connection may carry another request after this one."""

    def on_complete(self, keep_alive: bool) -> None:
        """The response is complete."""

    def close(self) -> None:
        """Flush, then close: an incomplete response ends short, which its reader can tell."""


class RequestCycle:
    """Bound to one request. The connection feeds it the body; the application receives and sends."""

    __slots__ = (
        *("_chunked", "_chunks", "_ended", "_event", "_expects_continue", "_head", "_head_only", "_http_11", "_left"),
        *("_size", "_told_end", "_wire", "complete", "gone", "keep_alive", "started"),
    )

    def __init__(self, wire: Wire, head: Head) -> None:
        self._wire = wire
        self._http_11 = head.http_11
        self._expects_continue = head.expects_continue
        self._head_only = head.method == "HEAD"
        self.keep_alive = head.keep_alive

        self._event: asyncio.Event | None = None  # made only if the application has to wait
        self._chunks: list[bytes] = []
        self._size = 0
        self._ended = False
        self._told_end = False
        self.gone = False

        self.started = False
        self.complete = False
        self._chunked = False
        self._head = b""  # of a counted body: waits for its first bytes, because two writes cost twice
        self._left = -1  # bytes that content-length still promises; -1: the end is chunked or the connection's

    @property
    def waits_for_application(self) -> bool:
        """The client has not been told yet to send its body."""
        return self._expects_continue

    # Called by the connection

    async def run(self, app: App, scope: Scope) -> None:
        """Run the application and make up for what it leaves undone. Raises nothing but its own cancellation."""
        try:
            await app(scope, self.receive, self.send)
        except asyncio.CancelledError:
            if not self.complete:
                self._wire.close()
            raise
        except Exception:  # whatever it is, the client gets an end and the server goes on
            logger.exception("The application failed")
            await self._fail()
        else:
            if not self.complete and not self.gone:
                logger.error("The application returned without completing its response")
                await self._fail()

    def feed(self, data: bytes) -> None:
        """More of the request body."""
        if self.complete or self.gone or not data:
            return
        self._chunks.append(data)
        self._size += len(data)
        if self._size > BODY_BUFFER:
            self._wire.pause_reading()
        self._wake()

    def end(self) -> None:
        """The request body is complete."""
        self._ended = True
        self._expects_continue = False
        self._wake()

    def lose(self) -> None:
        """The client is gone."""
        self.gone = True
        self._wake()

    # Called by the application

    async def receive(self) -> Message:
        """The body so far, or the end of it, or (`http.disconnect`) the end of the exchange."""
        if self._expects_continue:
            self._expects_continue = False
            if not self.started and not self.gone:
                self._wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not self.gone and not self.complete:
            if self._chunks or (self._ended and not self._told_end):
                return self._next_body()
            if not self._ended:
                self._wire.resume_reading()
            await self._news()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Waits while the client is slow; does nothing once it is gone. Raises RuntimeError on misuse."""
        if self._wire.write_paused:
            await self._wire.writable()
        if self.gone or (self.complete and self._left == 0 and not message.get("body")):
            return
        kind = message["type"]
        if kind == "http.response.body" and self.started and not self.complete:
            self._send_body(message.get("body", b""), message.get("more_body", False))
        elif kind == "http.response.start" and not self.started:
            self._send_start(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"unexpected ASGI message {kind!r}")

    def answer(self, status: int, headers: Headers, body: bytes) -> bool:
        """Send a whole response at once, its length added; names are lower-case. False if `send` has to do it: while
        the client is slow, and where the application says something about framing or there may be no body."""
        unusual = self.started or self.gone or self._wire.write_paused or self._head_only or status in _BODILESS
        if unusual or not _FRAMING.isdisjoint([name for name, _ in headers]):
            return False
        keep_alive = self.keep_alive and self._ended and self._wire.persists()
        end = b"content-length: %d\r\n\r\n" if keep_alive else b"content-length: %d\r\nconnection: close\r\n\r\n"
        lines = field_lines(headers)
        self.started = self.complete = True
        self.keep_alive = keep_alive
        self._wire.write(b"".join((_STATUS_LINES[status], lines, end % len(body), body)))
        self._wake()
        self._wire.on_complete(keep_alive)
        return True

    def ready(self) -> bool:
        """Whether `push` may be called now."""
        return self.started and not (self._wire.write_paused or self.gone or self.complete)

    def push(self, body: bytes) -> None:
        """`send` of a part of the response body that is not its last, at once."""
        self._send_body(body, True)

    # Details

    def _wake(self) -> None:
        if self._event is not None:
            self._event.set()

    async def _news(self) -> None:
        if self._event is None:
            self._event = asyncio.Event()
        self._event.clear()
        await self._event.wait()

    def _next_body(self) -> Message:
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        self._size = 0
        self._told_end = self._ended
        if not self._ended:
            self._wire.resume_reading()
        return {"type": "http.request", "body": body, "more_body": not self._ended}

    def _send_start(self, status: int, headers: Any) -> None:
        fields: Headers = []
        length, closes = None, False
        for name, value in headers:
            name = name.lower()
            if name == b"transfer-encoding":
                continue  # framing is this module's
            if name == b"content-length":
                length = int(value)
            elif name == b"connection":
                closes = b"close" in value.lower()
            fields.append((name, value))
        # While part of the request is still to come, the connection cannot be used again.
        self.keep_alive = self.keep_alive and not closes and self._ended and self._wire.persists()
        if not self.keep_alive and not closes:
            fields.append((b"connection", b"close"))
        bodiless = self._head_only or status in _BODILESS
        chunked = not bodiless and length is None and self._http_11
        if chunked:
            fields.append((b"transfer-encoding", b"chunked"))
        lines = _STATUS_LINES[status] + field_lines(fields) + b"\r\n"
        self._head_only, self._chunked = bodiless, chunked
        self._left = -1 if bodiless or length is None else length
        if self._left > 0:
            self._head = lines
        else:
            self._wire.write(lines)
        self.started = True

    def _send_body(self, body: bytes, more: bool) -> None:
        if self._head_only:
            pass
        elif self._chunked:
            if body:
                self._wire.write((b"%x\r\n%b\r\n" if more else b"%x\r\n%b\r\n0\r\n\r\n") % (len(body), body))
            elif not more:
                self._wire.write(b"0\r\n\r\n")
        else:
            self._send_counted(body, more)
            more = more and self._left != 0  # who has all that was promised may leave before the application is done
        if not more:
            self.complete = True
            self._wake()
            self._wire.on_complete(self.keep_alive)

    def _send_counted(self, body: bytes, more: bool) -> None:
        if self._left >= 0:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the response body does not have the length its content-length promised")
        if body:
            self._wire.write(self._head + body)
            self._head = b""

    async def _fail(self) -> None:
        if self.gone or self.complete:
            return
        if self.started and not self._head:
            self._wire.close()
            return
        self.started, self._head = False, b""
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await respond(self.send, 500, headers, _FAILED)
