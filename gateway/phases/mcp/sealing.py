"""Text that travels through callers and comes back: what is in it is known to be ours, and given out for the very same.

It is signed, not encrypted.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

import orjson

_TAG_BYTES = 16


class Sealing:
    """Seals for one purpose.

    Args:
        secret: the deployment's root secret.
        purpose: what is sealed for one is not opened for another.
    """

    def __init__(self, secret: bytes, purpose: bytes) -> None:
        self._key = hmac.digest(secret, purpose, hashlib.sha256)

    def seal(self, about: Sequence[str], said: bytes) -> str:
        """`said`, in base64url without padding, for whoever and whatever it is `about`."""
        return _encoded(self._tag(about, said) + said)

    def open(self, about: Sequence[str], sealed: str) -> tuple[str, bytes] | None:
        """A name for what was given out, and what was said; None for what was never given out about the same."""
        try:
            found = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        except ValueError:
            return None
        if _encoded(found) != sealed:
            return None  # another way to write the same bytes, which nobody was given
        tag, said = found[:_TAG_BYTES], found[_TAG_BYTES:]
        return (tag.hex(), said) if hmac.compare_digest(tag, self._tag(about, said)) else None

    def _tag(self, about: Sequence[str], said: bytes) -> bytes:
        framed = orjson.dumps([one.encode("utf-8", "surrogatepass").hex() for one in about]) + b"\0" + said
        return hmac.digest(self._key, framed, hashlib.sha256)[:_TAG_BYTES]


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
