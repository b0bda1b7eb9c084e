"""Sends requests to providers and keeps connections to them. The only place that talks to a provider.

HTTP/1.1 over own connections rather than a general client: a general client costs more than the rest of the gateway
together, and would hand a connection with unexpected bytes on it to the next caller. Time-outs other than connecting
belong to the pipeline, which cancels the task: whatever waits here then closes its connection at once.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable

from gateway.model.errors import Refusal
from gateway.model.headers import Headers
from gateway.upstream.connection import Connection
from gateway.upstream.dial import Dialer, DialError, Resolve, proxy_authorization
from gateway.upstream.http_reply import HttpReply
from gateway.upstream.providers import Endpoint, Provider
from gateway.upstream.reply import Unreachable
from gateway.upstream.retry import RetryBudget

_METHOD = re.compile(r"[A-Z]{1,32}")
_BODILESS = frozenset(["GET", "HEAD", "OPTIONS", "TRACE", "DELETE"])


def _always(provider: Provider) -> bool:
    return True


class Client:
    """An `Opener` over HTTP/1.1.

    Args:
        connect: seconds for name, TCP and TLS together, retry included.
        keep_alive: seconds an unused connection is kept. Shorter than what servers usually grant (5 s and more), so
            that a request does not meet a connection that is just being closed: it could not be repeated.
        may_retry: asked before a request is sent again, False while the provider's breaker is open.
        resolve: names to addresses; the system's resolver by default.
    """

    def __init__(
        self,
        *,
        connect: float = 5.0,
        keep_alive: float = 4.0,
        retries: RetryBudget | None = None,
        may_retry: Callable[[Provider], bool] = _always,
        resolve: Resolve | None = None,
    ) -> None:
        self._connect_within, self._keep_alive = connect, keep_alive
        self._retries = retries or RetryBudget()
        self._may_retry = may_retry
        self._dialer = Dialer(resolve)
        self._idle: dict[Endpoint, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._all_lost = asyncio.Event()
        self._sweeper: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    async def open(
        self,
        provider: Provider,
        method: str,
        path: str,
        query: bytes,
        headers: Headers,
        body: bytes | AsyncIterator[bytes] | None,
    ) -> HttpReply:
        """Send a request and return when the head of its answer is there.

        `path` is a path at the provider (`Provider.path`); `headers` are sent in order, with `host` and framing added.
        A body that is iterated is sent as it comes: with the length that `content-length` among `headers` says, else
        chunked; what the iterator raises is raised here or by the reply.

        Raises Unreachable if no connection could be made, Refusal `upstream_unavailable` if it was closed without an
        answer, `upstream_invalid` for an answer that is not valid HTTP, or a redirect: those are never followed, and a
        caller that followed one would carry its credential to wherever the provider says.
        """
        length = None if body is None or isinstance(body, bytes) else _length(headers)
        head = _head(provider, method, provider.target(path, query), headers, body, length)
        self._retries.request()
        connection = self._pooled(provider.endpoint) or await self._connected(provider)
        reply = HttpReply(connection, provider.name, method == "HEAD")
        if body is None or isinstance(body, bytes):
            connection.send(reply, head, body)
        else:
            connection.send(reply, head, None)
            reply.upload = self._loop.create_task(connection.upload(reply, body, length))
        try:
            await reply.started()
        except BaseException:  # also ends the upload
            reply.close()
            raise
        if 300 <= reply.status < 400 and reply.status != 304:
            reply.close()
            raise Refusal("upstream_invalid", f"Provider `{provider.name}` answered with a redirect.")
        return reply

    async def prepare(self, providers: Iterable[Provider]) -> None:
        """Read the CA files at start. Raises ValueError, naming the provider, for one that cannot be used."""
        for provider in providers:
            if provider.endpoint.scheme == "https":
                try:
                    await self._dialer.trust(provider.ca_file)
                except OSError as error:  # ssl.SSLError is one too
                    raise ValueError(f"provider {provider.name}: ca_file {provider.ca_file}: {error}") from None

    async def close(self) -> None:
        """Close every connection, used or not."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        self._dialer.close()
        self._idle.clear()
        for connection in list(self._open):
            connection.shut()
        if self._open:
            await self._all_lost.wait()

    @property
    def connections(self) -> int:
        """Open connections, used or not."""
        return len(self._open)

    # -- connections

    def _pooled(self, endpoint: Endpoint) -> Connection | None:
        idle = self._idle.get(endpoint)
        if idle:
            oldest = self._loop.time() - self._keep_alive
            while idle:
                connection = idle.pop()  # the one used last: the others may grow old and be closed
                if connection.usable and connection.idle_since > oldest:
                    return connection
                connection.abort()
        return None

    async def _connected(self, provider: Provider) -> Connection:
        deadline = self._loop.time() + self._connect_within
        try:
            return await self._dial(provider, self._connect_within)
        except DialError as error:
            left = deadline - self._loop.time()
            if left > 0 and error.again and self._may_retry(provider) and self._retries.spend(self._loop.time()):
                try:
                    return await self._dial(provider, left)
                except DialError as second:
                    error = second
            raise Unreachable(f"Provider `{provider.name}` cannot be reached: {error}.") from None

    async def _dial(self, provider: Provider, within: float) -> Connection:
        idle = self._idle.setdefault(provider.endpoint, [])

        def made() -> Connection:
            return Connection(self._loop, keep, self._lost)

        def keep(connection: Connection) -> None:
            connection.idle_since = self._loop.time()
            idle.append(connection)
            if self._sweeper is None:
                self._sweeper = self._loop.call_later(self._keep_alive, self._sweep)

        connection = await self._dialer.connect(provider.endpoint, made, within)
        if connection.transport is not None:  # else lost already; uvloop does not say so of one whose making it ended
            self._open.add(connection)
            self._all_lost.clear()
        return connection

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if not self._open:
            self._all_lost.set()

    def _sweep(self) -> None:
        """Close what was not used for too long; runs only while something is kept."""
        self._sweeper = None
        oldest = self._loop.time() - self._keep_alive
        for idle in self._idle.values():
            unused, idle[:] = idle[:], []
            for connection in unused:
                if connection.usable and connection.idle_since > oldest:
                    idle.append(connection)
                else:
                    connection.abort()
        if any(self._idle.values()):
            self._sweeper = self._loop.call_later(self._keep_alive / 2, self._sweep)


def _length(headers: Headers) -> int | None:
    for name, value in headers:
        if name == b"content-length":
            if not value.isdigit():
                raise Refusal("invalid_request", "`content-length` is not a number.")
            return int(value)
    return None


def _head(
    provider: Provider,
    method: str,
    target: str,
    headers: Headers,
    body: bytes | AsyncIterator[bytes] | None,
    length: int | None,
) -> bytes:
    """Request line and headers. Raises Refusal `invalid_request` for anything that could start a line of its own."""
    if not _METHOD.fullmatch(method) or method == "CONNECT":
        raise Refusal("invalid_request", "The method is not one that can be relayed.")
    if provider.endpoint.proxy is not None and provider.endpoint.scheme == "http":
        target = "http://" + provider.host_header.decode() + target  # RFC 9112 section 3.2.2
        authorization = proxy_authorization(provider.endpoint.proxy)
        headers = [*headers, (b"proxy-authorization", authorization)] if authorization else headers
    lines = [f"{method} {target} HTTP/1.1\r\nhost: ".encode("ascii"), provider.host_header, b"\r\n"]
    count = 3
    for name, value in headers:
        if name != b"content-length":
            lines.append(b"%b: %b\r\n" % (name, value))
            count += 1
    if isinstance(body, bytes):
        if body or method not in _BODILESS:
            lines.append(b"content-length: %d\r\n" % len(body))
            count += 1
    elif body is not None:
        lines.append(b"transfer-encoding: chunked\r\n" if length is None else b"content-length: %d\r\n" % length)
        count += 1
    elif method not in _BODILESS:
        lines.append(b"content-length: 0\r\n")
        count += 1
    lines.append(b"\r\n")
    head = b"".join(lines)
    if head.count(b"\n") != count or head.count(b"\r") != count or b"\0" in head:
        raise Refusal("invalid_request", "A header holds a control character.")
    return head
