"""The guard: one client connection, from its first byte to its last, under limits.

Requests are answered one at a time; a pipelined one waits. Every phase of a connection has a deadline, except while the
application answers: the deadlines of responses are its own. Never hands a request with two meanings to the application.
"""

import asyncio
import enum
import urllib.parse
from typing import Any, cast

from gateway.edge.asgi import App
from gateway.edge.connections import EXTENSION, Connection, EdgeState
from gateway.edge.cycle import RequestCycle
from gateway.edge.framing import CHUNKED, HEAD_END, BadRequest, ChunkedBody, Head, HeadReader, check_beginning
from gateway.model.errors import Refusal
from gateway.wire.openai_errors import error_body

HELD_BYTES = 65536
"""How much of further requests is kept while one is answered; then reading pauses."""


class Phase(enum.Enum):
    """Where a connection stands."""

    HEAD = "waits for a request head, or for its rest"
    BODY = "waits for the rest of a request body"
    ANSWER = "has a whole request and owes the answer"
    LINGER = "has said its last word and takes in what was under way"
    CLOSING = "is closed once what is written has left"


class GuardedProtocol(asyncio.Protocol):
    """One connection. Speaks HTTP/1.1 and 1.0; ignores upgrades (RFC 9110 section 7.8 allows it)."""

    __slots__ = (
        *("_app", "_base_scope", "_began", "_chunked", "_cycle", "_fresh", "_handle", "_heads", "_held"),
        *("_left", "_loop", "_peer", "_phase", "_progress", "_reading_paused", "_received", "_served", "_since"),
        *("_stalled_since", "_stalled_size", "_state", "_transport", "_writable", "write_paused"),
    )

    def __init__(self, app: App, state: EdgeState, *, scheme: str = "http") -> None:
        self._app = app
        self._state = state
        self._loop = asyncio.get_running_loop()
        self._base_scope: dict[str, Any] = {"type": "http", "asgi": _ASGI, "scheme": scheme, "root_path": ""}
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._handle: Connection | None = None
        self._peer = ""
        self._heads = HeadReader(state.limits.max_headers)
        self._cycle: RequestCycle | None = None

        self._phase = Phase.HEAD
        self._since = state.now  # when this phase, or the head in it, began
        self._served = False  # a response was given on this connection
        self._held = b""  # bytes received and not used yet
        self._fresh = 0  # of these, how many were looked at

        self._chunked: ChunkedBody | None = None
        self._left = 0  # bytes of a counted body still to come
        self._received = 0  # bytes of this body
        self._began = self._progress = 0.0  # when this body began, and last moved

        self._reading_paused = False
        self.write_paused = False
        self._writable: asyncio.Event | None = None
        self._stalled_since = 0.0
        self._stalled_size = 0

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._state.limits.write_buffer)
        peer = _address(transport.get_extra_info("peername"))
        self._peer = peer[0] if peer else ""
        self._base_scope["client"] = peer
        self._base_scope["server"] = _address(transport.get_extra_info("sockname"))
        self._since = self._state.now
        self._state.connections.add(self)
        if self._state.closing:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self._phase = Phase.CLOSING
        self._lose()
        self.resume_writing()
        self._heads.release()

    def eof_received(self) -> None:
        """The client sends no more, and so is taken for gone: nobody half-closes on purpose. The transport closes."""
        self._lose()
        self._begin_closing()

    def data_received(self, data: bytes) -> None:
        phase = self._phase
        try:
            if phase is Phase.HEAD:
                self._read_head(data)
            elif phase is Phase.BODY:
                self._read_body(data)
            elif phase is Phase.ANSWER:
                self._hold(data)
        except BadRequest as error:
            self._refuse(error)

    def pause_writing(self) -> None:
        self.write_paused = True
        self._stalled_since = self._state.now
        self._stalled_size = self._transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._writable is not None:
            self._writable.set()

    # The cycle's side

    async def writable(self) -> None:
        """Wait until the client has read enough, or is gone."""
        if self._writable is None:
            self._writable = asyncio.Event()
        while self.write_paused:
            self._writable.clear()
            await self._writable.wait()

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def persists(self) -> bool:
        return not self._state.draining

    def on_complete(self, keep_alive: bool) -> None:
        """The response is complete: the next request may come, or the connection ends."""
        if self._handle is not None:
            self._handle.finish()
        self._cycle = self._handle = None
        self._served = True
        if self._phase is Phase.CLOSING:
            return
        if not keep_alive or self._state.draining:
            unread = self._phase is Phase.BODY or self._held
            self._linger() if unread else self.close()
            return
        self._phase = Phase.HEAD
        self._since = self._state.now
        self.resume_reading()
        if self._held:
            self._loop.call_soon(self._read_held)

    def close(self) -> None:
        """Flush, then close."""
        if self._phase is not Phase.CLOSING:
            self._begin_closing()
            self._transport.close()

    def abort(self) -> None:
        """Cut at once. The application is not told: it asked for it, or the server ends."""
        if self._handle is not None:
            self._handle.on_gone = None
        self._begin_closing()
        self._transport.abort()

    # The server's side

    def check(self) -> None:
        """Close the connection if a deadline of its phase has passed. Called at each tick."""
        now, limits = self._state.now, self._state.limits
        phase = self._phase
        if self.write_paused or phase is Phase.CLOSING:
            self._check_writing()
        elif phase is Phase.ANSWER:
            pass
        elif phase is Phase.HEAD:
            idle = self._served and not self._held
            if now - self._since > (limits.keep_alive_seconds if idle else limits.header_seconds):
                self._expire_head()
        elif phase is Phase.BODY:
            self._check_body()
        elif now - self._since > limits.linger_seconds:
            self._transport.abort()

    def close_idle(self, *, fresh: bool) -> None:
        """Close if no request is under way; with `fresh` also if none ever was."""
        if self._phase is Phase.HEAD and not self._held and (self._served or fresh):
            self.close()

    # Receiving a head

    def _read_head(self, data: bytes) -> None:
        if self._held:
            data = self._held + data
            self._held = b""
        elif self._served:
            self._since = self._state.now
        if data[:2] == b"\r\n" and len(data) > 2:  # an empty line before the request (RFC 9112 section 2.2)
            data, self._fresh = data[2:], 0
        end = data.find(HEAD_END, max(self._fresh - 3, 0)) + 4
        limit = self._state.limits.max_header_bytes
        if end < 4 or end > limit:
            self._read_part_of_head(data, limit)
            return
        self._fresh = 0
        if end == len(data):
            self._begin(self._heads.read(data))
        else:
            self._begin(self._heads.read(data[:end]))
            self._after_head(data[end:])

    def _read_part_of_head(self, data: bytes, limit: int) -> None:
        check_beginning(data[:limit], self._fresh)
        if len(data) >= limit:
            if data.find(b"\r\n", 0, limit) < 0:
                raise BadRequest("the request target is too long", 414)
            raise BadRequest(f"the request head is longer than {limit} bytes", 431)
        self._held, self._fresh = data, len(data)

    def _read_held(self) -> None:
        if self._phase is Phase.HEAD and self._held:
            data, self._held = self._held, b""
            self.data_received(data)

    def _begin(self, head: Head) -> None:
        cycle = self._cycle = RequestCycle(self, head)
        handle = self._handle = Connection(self._peer, self.abort, cycle)
        path = head.path.decode("ascii")
        scope = self._base_scope.copy()
        scope["http_version"] = "1.1" if head.http_11 else "1.0"
        scope["method"] = head.method
        scope["path"] = urllib.parse.unquote(path) if "%" in path else path
        scope["raw_path"] = head.path
        scope["query_string"] = head.query
        scope["headers"] = head.headers
        scope["extensions"] = {EXTENSION: handle}
        task = self._loop.create_task(cycle.run(self._app, scope))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)
        if head.length == 0:
            self._phase = Phase.ANSWER
            cycle.end()
            return
        self._phase = Phase.BODY
        self._left = head.length
        self._chunked = ChunkedBody() if head.length == CHUNKED else None
        self._received = 0
        self._began = self._progress = self._state.now

    def _after_head(self, data: bytes) -> None:
        if self._phase is Phase.BODY:
            self._read_body(data)
        else:
            self._hold(data)

    # Receiving a body

    def _read_body(self, data: bytes) -> None:
        self._progress = self._state.now
        self._received += len(data)
        if self._chunked is not None:
            body, rest = self._chunked.feed(data)
            ended = self._chunked.done
        else:
            body, rest = (data, b"") if len(data) <= self._left else (data[: self._left], data[self._left :])
            self._left -= len(body)
            ended = not self._left
        cycle = self._cycle
        if cycle is not None:
            cycle.feed(body)
        if ended:
            self._chunked = None
            self._phase = Phase.ANSWER
            self.resume_reading()  # else nobody would notice a client that leaves
            if cycle is not None:
                cycle.end()
            if rest:
                self._hold(rest)

    def _hold(self, data: bytes) -> None:
        """Keep bytes of a next request; they are read when this one is answered."""
        self._held += data
        if len(self._held) > HELD_BYTES:
            self.pause_reading()

    # Ending

    def _refuse(self, error: BadRequest) -> None:
        """The guard's own answer, then the end. An answer already begun is cut instead."""
        cycle = self._cycle
        self._lose()
        if cycle is not None and cycle.started:
            self.close()
            return
        self._transport.write(_refusal(error))
        self._linger()

    def _linger(self) -> None:
        self._phase = Phase.LINGER
        self._since = self._state.now
        self._held = b""
        if not self._transport.can_write_eof():  # TLS, which reads on by itself until the client's close_notify
            self.close()
            return
        self._transport.write_eof()
        self.resume_reading()

    def _lose(self) -> None:
        cycle, self._cycle = self._cycle, None
        handle, self._handle = self._handle, None
        if cycle is not None:
            cycle.lose()
        if handle is not None:
            handle.lose()

    def _begin_closing(self) -> None:
        self._phase = Phase.CLOSING
        self._held = b""
        self._stalled_since = self._state.now
        self._stalled_size = self._transport.get_write_buffer_size()

    # Deadlines

    def _expire_head(self) -> None:
        if self._held:
            self._refuse(BadRequest("the request head took too long", 408))
        else:
            self.close()

    def _check_body(self) -> None:
        state = self._state
        cycle = self._cycle
        if self._reading_paused or (cycle is not None and cycle.waits_for_application):
            self._began += state.step  # the application makes the client wait
            self._progress += state.step
            return
        stall = state.limits.body_stall_seconds
        elapsed = state.now - self._began
        too_slow = elapsed > stall and self._received < elapsed * state.limits.body_min_bytes_per_second
        if too_slow or state.now - self._progress > stall:
            self._transport.abort()

    def _check_writing(self) -> None:
        size = self._transport.get_write_buffer_size()
        if size < self._stalled_size:
            self._stalled_size, self._stalled_since = size, self._state.now
        elif self._state.now - self._stalled_since > self._state.limits.write_stall_seconds:
            self._transport.abort()


_ASGI = {"version": "3.0", "spec_version": "2.3"}


def _address(info: Any) -> tuple[str, int] | None:
    return (str(info[0]), int(info[1])) if isinstance(info, tuple) else None


_REASONS = {400: b"Bad Request", 408: b"Request Timeout", 414: b"URI Too Long", 431: b"Request Header Fields Too Large"}


def _refusal(error: BadRequest) -> bytes:
    body = error_body(Refusal("invalid_request", error.message))
    head = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (error.status, _REASONS[error.status], len(body)) + body
