"""Secrets that lie in Redis: encrypted under a key that is never stored there."""

import base64
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12  # bytes, NIST SP 800-38D section 8.2


def derived_key(root: bytes, purpose: str) -> bytes:
    """32 bytes for one purpose, from the deployment's root secret (HKDF-SHA-256, RFC 5869)."""
    return HKDF(SHA256(), 32, salt=None, info=f"leuko {purpose}".encode()).derive(root)


class Seal:
    """Encrypts with AES-256-GCM.

    Args:
        root: the deployment's root secret; `purpose` tells this seal's key from every other one derived from it.
        random_bytes: as `os.urandom`.
    """

    def __init__(self, root: bytes, purpose: str, random_bytes: Callable[[int], bytes]) -> None:
        self._cipher = AESGCM(derived_key(root, purpose))
        self._random_bytes = random_bytes

    def seal(self, secret: bytes, context: str) -> str:
        """Text that `open` gives back as `secret`, in the same context only: it cannot be moved to another record."""
        nonce = self._random_bytes(_NONCE)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, secret, context.encode())).decode()

    def open(self, sealed: str, context: str) -> bytes:
        """Raises ValueError for what was not sealed here, with this root, in this context."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            return self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], context.encode())
        except (ValueError, InvalidTag):
            raise ValueError("it was not sealed here, or with another GATEWAY_SECRET") from None
