"""One trust store for all of httpx's clients in a test process: reading it takes 27 ms, longer than most requests."""

import os
import ssl
from functools import cache
from typing import Any

import httpx
from httpx._transports import default


@cache
def _trusted(file: str | None, directory: str | None, trust_env: bool) -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=trust_env)


def _context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
    if verify is True and cert is None:
        return _trusted(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"), trust_env)
    return httpx.create_ssl_context(verify, cert, trust_env)


def share_trust() -> None:
    """What clients trust by default is read once; who names a context or a file of his own gets that."""
    default.create_ssl_context = _context
