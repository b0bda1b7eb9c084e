"""Makes connections: names to addresses, the check of those addresses, TCP, egress proxies, TLS.

Connects only to addresses that were checked; never reads proxy settings from the environment.
"""

import asyncio
import base64
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import aiohappyeyeballs

from gateway.model.errors import Refusal
from gateway.upstream.addresses import all_public
from gateway.upstream.providers import Endpoint

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
"""As `socket.getaddrinfo` gives it."""
Resolve = Callable[[str, int], Awaitable[Sequence[AddressInfo]]]

_ADDRESS_LIFE = 10.0
_EYEBALLS_DELAY = 0.25  # RFC 8305 section 8
_PROXY_HEAD_LIMIT = 16 * 1024

P = TypeVar("P", bound=asyncio.Protocol)


class DialError(Exception):
    """No connection. The message holds no address; `again` says whether another attempt could help at once."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


class Dialer:
    """Connects to endpoints.

    Args:
        resolve: turns a name and a port into addresses; the system's resolver by default.
    """

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve = resolve or _system_resolver
        self._addresses: dict[tuple[str, int], tuple[float, Sequence[AddressInfo]]] = {}
        self._lookups: dict[tuple[str, int], asyncio.Task[Sequence[AddressInfo]]] = {}
        self._contexts: dict[str | None, ssl.SSLContext] = {}

    async def connect(self, endpoint: Endpoint, factory: Callable[[], P], within: float) -> P:
        """A connection ready for a request. Raises DialError, after `within` seconds at the latest.

        Raises Refusal `overloaded` where this process has no file descriptor left: the provider is not to blame.
        """
        try:
            async with asyncio.timeout(within):
                return await self._connect(endpoint, factory)
        except TimeoutError:
            raise DialError(f"no connection within {within:g} s", again=False) from None
        except ssl.SSLCertVerificationError:
            raise DialError("its TLS certificate is not trusted", again=False) from None
        except ssl.SSLError:
            raise DialError("the TLS handshake failed", again=True) from None
        except socket.gaierror:
            raise DialError("its name does not resolve", again=True) from None
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise Refusal("overloaded", "The gateway has too many connections now.", retry_after=1) from None
            raise DialError("the connection was refused or broke off", again=True) from None

    async def trust(self, ca_file: str | None) -> ssl.SSLContext:
        """The TLS settings for a CA file, read once. Raises OSError or ssl.SSLError if it cannot be used."""
        context = self._contexts.get(ca_file)
        if context is None:
            loop = asyncio.get_running_loop()  # reading the authorities takes many milliseconds
            context = await loop.run_in_executor(None, lambda: ssl.create_default_context(cafile=ca_file))
            context.set_alpn_protocols(["http/1.1"])
            self._contexts[ca_file] = context
        return context

    def close(self) -> None:
        for lookup in self._lookups.values():
            lookup.cancel()

    async def _connect(self, endpoint: Endpoint, factory: Callable[[], P]) -> P:
        loop = asyncio.get_running_loop()
        context = await self.trust(endpoint.ca_file) if endpoint.scheme == "https" else None
        if endpoint.proxy is None:
            sock = await self._open(endpoint.host, endpoint.port, endpoint.private_ok)
        else:
            sock = await self._through(endpoint.proxy, endpoint)
        try:
            hostname = endpoint.host.rstrip(".") if context else None
            _, protocol = await loop.create_connection(factory, sock=sock, ssl=context, server_hostname=hostname)
        except BaseException:  # cancelled too: a half-made connection must not stay open
            sock.close()
            raise
        return protocol

    async def _open(self, host: str, port: int, private_ok: bool) -> socket.socket:
        found = await self._lookup(host, port)
        if not private_ok and not all_public(info[4][0] for info in found):
            raise DialError("it is at an address that is not public", again=False)
        try:
            return await aiohappyeyeballs.start_connection(
                found, happy_eyeballs_delay=_EYEBALLS_DELAY, loop=asyncio.get_running_loop()
            )
        except OSError:
            self._addresses.pop((host, port), None)  # it may have moved: the next attempt asks again
            raise

    async def _lookup(self, host: str, port: int) -> Sequence[AddressInfo]:
        """Addresses, at most 10 s old; concurrent callers share one lookup, and none of them can cancel it."""
        key = (host, port)
        now = asyncio.get_running_loop().time()
        known = self._addresses.get(key)
        if known is not None and now - known[0] < _ADDRESS_LIFE:
            return known[1]
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = self._lookups[key] = asyncio.ensure_future(self._ask(key))
            lookup.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(lookup)

    async def _ask(self, key: tuple[str, int]) -> Sequence[AddressInfo]:
        try:
            found = await self._resolve(*key)
            if not found:
                raise socket.gaierror(socket.EAI_NONAME, "no address")
            self._addresses[key] = (asyncio.get_running_loop().time(), found)
            return found
        finally:
            self._lookups.pop(key, None)

    async def _through(self, proxy: str, endpoint: Endpoint) -> socket.socket:
        """A connection by way of an egress proxy, which resolves the provider's name itself.

        For https a tunnel is asked for (RFC 9110 section 9.3.6). A literal private address is refused all the same.
        """
        if not endpoint.private_ok and _numeric(endpoint.host):
            found = await self._lookup(endpoint.host, endpoint.port)
            if not all_public(info[4][0] for info in found):
                raise DialError("it is at an address that is not public", again=False)
        parts = urlsplit(proxy)
        sock = await self._open(parts.hostname or "", parts.port or 80, private_ok=True)
        if endpoint.scheme == "http":
            return sock
        try:
            await _tunnel(sock, endpoint, proxy_authorization(proxy))
        except BaseException:  # cancelled too
            sock.close()
            raise
        return sock


async def _tunnel(sock: socket.socket, endpoint: Endpoint, authorization: bytes | None) -> None:
    loop = asyncio.get_running_loop()
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    authority = f"{host}:{endpoint.port}".encode()
    lines = [b"CONNECT %b HTTP/1.1" % authority, b"host: " + authority]
    if authorization is not None:
        lines.append(b"proxy-authorization: " + authorization)
    await loop.sock_sendall(sock, b"\r\n".join(lines) + b"\r\n\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = await loop.sock_recv(sock, 4096)
        answer += data
        if not data or len(answer) > _PROXY_HEAD_LIMIT:
            raise ConnectionResetError
    status = answer.split(b" ", 2)[1:2]
    if not answer.startswith(b"HTTP/1.") or status != [b"200"] or not answer.endswith(b"\r\n\r\n"):
        raise DialError("the egress proxy refused the tunnel", again=False)


def proxy_authorization(proxy: str) -> bytes | None:
    """The value of `proxy-authorization` for a proxy URL with a user in it (RFC 7617)."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return b"Basic " + base64.b64encode(pair.encode())


def _numeric(host: str) -> bool:
    """Whether the C library would read this as an address: also `0x7f.1`, `2130706433`."""
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return False
    return True


async def _system_resolver(host: str, port: int) -> Sequence[AddressInfo]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(int(family), int(kind), proto, name, address) for family, kind, proto, name, address in found]
