"""`tls.crt` and `tls.key` in a directory, of an authority of its own, renewed as an issuer does it."""

import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import trustme
from cryptography import x509


class CertificateFiles:
    """For `localhost` and 127.0.0.1. `serial`: of the certificate that was written last."""

    def __init__(self, directory: Path) -> None:
        self.authority = trustme.CA()
        self.cert, self.key, self.ca = (directory / name for name in ("tls.crt", "tls.key", "ca.crt"))
        self.authority.cert_pem.write_to_path(str(self.ca))
        self.serial = 0
        self.renew()

    def renew(self, *, cert: bool = True, key: bool = True) -> None:
        """A new pair, or one half of it, in place."""
        issued = self.authority.issue_cert("localhost", "127.0.0.1")
        if cert:
            self.cert.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
            self.serial = x509.load_pem_x509_certificate(self.cert.read_bytes()).serial_number
        if key:
            self.key.write_bytes(issued.private_key_pem.bytes())

    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca)
        return context

    def shown(self, url: str) -> int:
        """The serial number of the certificate that a new connection is met with."""
        parts = urlsplit(url)
        address = (parts.hostname or "127.0.0.1", parts.port or 443)
        with (
            socket.create_connection(address, timeout=10) as sock,
            self.trust().wrap_socket(sock, server_hostname="localhost") as tls,
        ):
            found = tls.getpeercert(binary_form=True)
            assert found is not None
            return x509.load_der_x509_certificate(found).serial_number
