"""The one form of a JSON value (RFC 8785), and the hash by which the arguments of a call are known.

Numbers are doubles there, so integers from 2^53 up have no such form: one of them could not be told from the next.
"""

import base64
import hashlib
from typing import Any

import rfc8785


def canonical(value: Any) -> bytes:
    """The RFC 8785 form. Raises ValueError for what has none: integers of 2^53 or more, numbers that are not finite,
    text without an encoding, keys that are not text, and what is nested too deeply to be written."""
    try:
        return rfc8785.dumps(value)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def args_hash(value: Any) -> str:
    """SHA-256 of the RFC 8785 form, in base64url without padding (43 characters). Raises ValueError as `canonical`."""
    return thumb(canonical(value))


def thumb(raw: bytes) -> str:
    """SHA-256 in base64url without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
