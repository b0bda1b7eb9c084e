"""Listening sockets and TLS: made once at start, with errors that name what to change."""

import errno
import os
import socket
import ssl
from collections.abc import Mapping, Sequence

UNSENT_BYTES = 131072
"""How much of a response the kernel takes beyond what is on its way to the client (Linux, macOS)."""


class AddressInUse(Exception):
    """Another process listens on this host and port."""


class AddressNotUsable(Exception):
    """The host does not resolve to an address of this machine, or the port is not ours to take."""


class TLSUnusable(Exception):
    """The certificate or key cannot be used; the message names the setting."""


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to every address of `host`, not yet listening.

    Port 0 takes a free one, the same on all addresses. Raises AddressInUse, AddressNotUsable.
    """
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise AddressNotUsable(f"cannot listen on {host}: {error.strerror or error}") from error
    sockets: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
            chosen = sockets[0].getsockname()[1] if sockets else port
            sockets.append(_bind_one(socket.AddressFamily(family), (str(address[0]), chosen, *address[2:])))
    except OSError as error:
        for bound in sockets:
            bound.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(f"{host}:{port} is in use by another process") from error
        raise AddressNotUsable(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return sockets


def tls_context(cert_file: str | os.PathLike[str], key_file: str | os.PathLike[str]) -> ssl.SSLContext:
    """TLS 1.2 or newer, HTTP/1.1 only. Raises TLSUnusable."""
    for setting, file in (("GATEWAY_TLS_CERT_FILE", cert_file), ("GATEWAY_TLS_KEY_FILE", key_file)):
        try:
            with open(file, "rb") as readable:
                readable.read(1)
        except OSError as error:
            raise TLSUnusable(f"{setting}={file} cannot be read: {error.strerror}") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    try:
        # A key with a passphrase would make OpenSSL ask on the terminal; an empty answer makes it fail instead.
        context.load_cert_chain(cert_file, key_file, password="")
    except ssl.SSLError as error:
        reason = error.reason or "not readable as PEM, or the key has a passphrase"
        raise TLSUnusable(
            f"GATEWAY_TLS_CERT_FILE={cert_file} with GATEWAY_TLS_KEY_FILE={key_file}: {reason}"
        ) from error
    return context


def url_of(sock: socket.socket, *, tls: bool = False) -> str:
    """`http://127.0.0.1:4000`, as a person would type it."""
    host, port = sock.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _bind_one(family: socket.AddressFamily, address: tuple[str | int, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Accepted sockets inherit both on Linux.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        sock.bind(address)
        sock.setblocking(False)
    except BaseException:  # broad: whatever it is, no socket is left open
        sock.close()
        raise
    return sock


# Handing sockets to a child process

SOCKETS_VARIABLE = "LEUKO_WORKER_SOCKETS"
"""`main=3,4 admin=5`: file descriptors of listening sockets a worker inherits, by name."""


def describe(sockets: Mapping[str, Sequence[socket.socket]]) -> str:
    """The value of SOCKETS_VARIABLE."""
    return " ".join(f"{name}={','.join(str(s.fileno()) for s in group)}" for name, group in sockets.items() if group)


def inherited_sockets(env: Mapping[str, str]) -> dict[str, list[socket.socket]] | None:
    """The sockets that `run_workers` handed to this process; None if it is no worker."""
    value = env.get(SOCKETS_VARIABLE)
    if value is None:
        return None
    groups = (item.split("=", 1) for item in value.split())
    return {name: [socket.socket(fileno=int(fd)) for fd in fds.split(",")] for name, fds in groups}
