"""The certificate of the TLS listeners, which may be renewed under the running gateway."""

import asyncio
import contextlib
import hashlib
import logging
import ssl
from pathlib import Path

from cryptography import x509

from gateway.edge.sockets import TLSUnusable, tls_context

log = logging.getLogger(__name__)


class Certificate:
    """What new connections are met with. Those that are open keep what they began with.

    Raises TLSUnusable where certificate and key cannot be used at the start.

    Attributes:
        context: for new connections.
        loaded: what `look` said when the files were read last.
        not_after: when the certificate in force ends, in seconds since the epoch; 0 if it does not say so readably.
        failures: how often files that were read again could not be used.
    """

    def __init__(self, cert_file: Path, key_file: Path) -> None:
        self._cert_file, self._key_file = cert_file, key_file
        self.failures = 0
        self.loaded = self.look()
        self.context = tls_context(cert_file, key_file)
        self.not_after = _not_after(cert_file)

    def __call__(self) -> ssl.SSLContext:
        return self.context

    def look(self) -> tuple[str, ...]:
        """Something that differs whenever the files do; a file that cannot be read is a state too."""
        return tuple(_digest(file) for file in (self._cert_file, self._key_file))

    async def follow(self) -> None:
        """`reread` what was changed since it was read last."""
        if await asyncio.to_thread(self.look) != self.loaded:
            await asyncio.to_thread(self.reread)

    def reread(self) -> None:
        """New connections get what the files hold now. What cannot be used is logged and counted, and what was in use
        stays."""
        self.loaded = self.look()  # before they are read: what is written meanwhile is seen by the next look
        try:
            self.context = tls_context(self._cert_file, self._key_file)
        except (TLSUnusable, OSError) as error:
            self.failures += 1
            log.error("The certificate is not renewed, the one in use stays: %s", error)
            return
        self.not_after = _not_after(self._cert_file)
        log.info("Read the certificate again")


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        return type(error).__name__


def _not_after(cert_file: Path) -> float:
    """OpenSSL has read it already; what only this parser objects to is not worth refusing to serve."""
    with contextlib.suppress(OSError, ValueError):
        return x509.load_pem_x509_certificates(cert_file.read_bytes())[0].not_valid_after_utc.timestamp()
    return 0.0
