"""One HTTP/1.1 connection to a provider.

A connection serves one exchange at a time and is used again only after an answer that ended exactly where it said it
would. It never guesses: bytes nobody asked for, broken framing and an early end each cost the connection.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.model.errors import Refusal
from gateway.model.headers import Headers
from gateway.upstream.http_reply import HttpReply

HEAD_LIMIT = 64 * 1024
"""Bytes of a head; also of anything else between two body bytes: chunk extensions, trailers."""
HEADER_COUNT_LIMIT = 256
INFORMATIONAL_LIMIT = 10
_ONE_WRITE = 64 * 1024


class _Malformed(Exception):
    """Raised in parser callbacks for what the parser itself lets pass."""


class _Closed(Exception):
    """Nothing more can be sent."""


class Connection(asyncio.Protocol):
    """The wire under one reply at a time.

    Args:
        on_idle: called when it may be used again.
        on_lost: called once it is closed.
    """

    __slots__ = (
        "_complete", "_drained", "_head", "_informational", "_keep", "_on_idle", "_on_lost", "_parser",
        "_reply", "_seen", "_silent", "_until_close", "idle_since", "loop", "transport", "usable",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_idle: "Callable[[Connection], None]",
        on_lost: "Callable[[Connection], None]",
    ) -> None:
        self.loop = loop
        self.usable = False
        self.idle_since = 0.0
        self.transport: asyncio.Transport | None = None
        self._on_idle, self._on_lost = on_idle, on_lost
        self._parser: HttpResponseParser | None = None
        self._reply: HttpReply | None = None
        self._drained: asyncio.Future[None] | None = None
        self._prepare()

    def _prepare(self) -> None:
        self._head: Headers | None = None
        self._informational = 0
        self._seen = False  # whether any byte of an answer has come
        self._silent = 0  # bytes since the last one of a body, or since the start
        self._complete = False
        self._keep = False
        self._until_close = False

    # -- the exchange

    def send(self, reply: HttpReply, head: bytes, body: bytes | None) -> None:
        """Start an exchange; with a body to be streamed, `upload` follows."""
        transport = self.transport
        if transport is None or not self.usable:
            reply.fail(Refusal("upstream_unavailable", f"Provider `{reply.provider}` closed the connection."))
            return
        self._reply = reply
        if body and len(body) > _ONE_WRITE:
            transport.write(head)
            transport.write(body)
        else:
            transport.write(head + body if body else head)

    async def upload(self, reply: HttpReply, body: AsyncIterator[bytes], length: int | None) -> None:
        """Send a body as it comes, never faster than the provider takes it; chunked if its length is unknown."""
        try:
            await self._pump(body, length)
        except _Closed:
            pass  # `connection_lost` tells the reply; an answer that came before may still be read
        except Exception as error:  # whatever the source of the body raises belongs to the caller of `open`
            reply.fail(error)
            self.abort()

    async def _pump(self, body: AsyncIterator[bytes], length: int | None) -> None:
        sent = 0
        async for piece in body:
            if piece:
                sent += len(piece)
                if length is None:
                    piece = b"%x\r\n%b\r\n" % (len(piece), piece)
                elif sent > length:
                    break
                await self._write(piece)
        if length is None:
            await self._write(b"0\r\n\r\n")
        elif sent != length:
            raise Refusal("invalid_request", f"`content-length` says {length} bytes, but the body has another length.")

    async def _write(self, data: bytes) -> None:
        transport = self.transport
        if transport is None or transport.is_closing():
            raise _Closed
        transport.write(data)
        if self._drained is not None:
            await self._drained

    def shut(self) -> None:
        """Close because the gateway stops."""
        if self._reply is not None:
            self._reply.fail(Refusal("upstream_unavailable", "The gateway has closed its connections."))
        self.abort()

    def abort(self) -> None:
        """Close at once, without sending what is still unsent."""
        self.usable = False
        self._reply = None
        if self.transport is not None:
            self.transport.abort()

    def pause_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._parser = HttpResponseParser(self)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        if reply is None or self._parser is None:
            self.abort()  # an answer to nobody must never become the answer to the next request
            return
        self._seen = True
        self._silent += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._broken(reply)
            return
        if self._complete:
            self._finish(reply, self._keep)
        elif self._silent > HEAD_LIMIT:
            self._broken(reply)

    def eof_received(self) -> None:
        self.usable = False
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._ended(exc)
        self._parser = None  # it refers back to this object
        self.transport = None
        self.resume_writing()
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._drained = self.loop.create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # -- httptools callbacks: an exception in one of them ends `feed_data` with HttpParserError

    def on_message_begin(self) -> None:
        if self._complete:
            raise _Malformed("more than one answer")
        self._head = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is not None:  # else a trailer, which nobody here can use
            self._head.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        reply, parser, head = self._reply, self._parser, self._head
        assert reply is not None and parser is not None and head is not None
        if self._silent > HEAD_LIMIT and sum(len(n) + len(v) for n, v in head) > HEAD_LIMIT:
            raise _Malformed("head too long")
        if len(head) > HEADER_COUNT_LIMIT:
            raise _Malformed("too many headers")
        status = parser.get_status_code()
        if not 100 <= status < 600:  # RFC 9110 section 15: anything else is invalid
            raise _Malformed("a status that does not exist")
        if status < 200:
            self._informational += 1
            if status == 101 or self._informational > INFORMATIONAL_LIMIT:
                raise _Malformed("an upgrade nobody asked for, or a flood of 1xx")
            return
        self._head = None
        self._silent = 0
        self._until_close = _frame(reply, status, head)
        if reply.head_only:
            self._complete, self._keep = True, parser.should_keep_alive()
        reply.headers = head
        reply.status = status
        reply.wake()

    def on_body(self, data: bytes) -> None:
        reply = self._reply
        if reply is None or reply.head_only:
            raise _Malformed("a body where there is none")
        self._silent = 0
        reply.feed(data)

    def on_message_complete(self) -> None:
        if self._head is None and self._parser is not None:  # a 1xx has kept its head
            self._complete, self._keep = True, self._parser.should_keep_alive()

    # -- ends

    def _finish(self, reply: HttpReply, keep: bool) -> None:
        """The answer is whole. Whoever reads it may take its time: the connection is free already."""
        reply.finish()
        self._reply = None
        transport = self.transport
        if reply.upload is not None and not reply.upload.done():
            reply.upload.cancel()
            keep = False
        if not keep or not self.usable or transport is None or transport.get_write_buffer_size():
            self.abort()
            return
        if reply.paused:
            self.resume_reading()
        if reply.head_only:
            self._parser = HttpResponseParser(self)  # the old one still waits for the body that HEAD has not
        self._prepare()
        self._on_idle(self)

    def _broken(self, reply: HttpReply) -> None:
        reply.fail(Refusal("upstream_invalid", f"Provider `{reply.provider}` sent an answer that is not valid HTTP."))
        self.abort()

    def _ended(self, exc: Exception | None) -> None:
        """No more bytes will come."""
        reply = self._reply
        if reply is None:
            return
        if exc is None and self._until_close and reply.status:
            self._finish(reply, keep=False)
            return
        if self._seen:
            reply.fail(Refusal("upstream_invalid", f"Provider `{reply.provider}` broke off its answer."))
        else:
            why = f"Provider `{reply.provider}` closed the connection without an answer."
            reply.fail(Refusal("upstream_unavailable", why))
        self.abort()


def _frame(reply: HttpReply, status: int, head: Headers) -> bool:
    """Note the declared length; True if the end of the connection is the end of the body (RFC 9112 section 6.3)."""
    chunked = False
    for name, value in head:
        if name == b"content-length":
            reply.length = int(value)
        elif name == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                raise _Malformed("a transfer coding nobody asked for")
            chunked = True
    return not (chunked or reply.length is not None or reply.head_only or status in (204, 304))
