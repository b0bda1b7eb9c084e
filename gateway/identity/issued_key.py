"""Keys the gateway issues: `<prefix>_<8 id>_<32 secret><6 checksum>`, all base62.

The id finds the record, the secret proves possession, the checksum refuses typing errors without asking anybody. Pure:
randomness is an argument. What is stored of a key is a keyed hash, never the key.
"""

import re
import zlib
from collections.abc import Callable

from gateway.identity.derived import keyed

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID = 8
_SECRET = 32  # 190 bits
_CHECKSUM = 6  # 62 ** 6 > 2 ** 32: a whole CRC-32 fits
_FORM = re.compile(rf"([a-z]{{3}})_([0-9A-Za-z]{{{_ID}}})_[0-9A-Za-z]{{{_SECRET + _CHECKSUM}}}")


def issue_key(prefix: str, choose: Callable[[str], str]) -> str:
    """A new key.

    Args:
        prefix: three lower-case letters that say what it is for.
        choose: picks one character, unpredictably (`secrets.choice`).
    """
    key_id, secret = ("".join(choose(ALPHABET) for _ in range(length)) for length in (_ID, _SECRET))
    stem = f"{prefix}_{key_id}_{secret}"
    return stem + _checksum(stem)


def issued_key_id(key: str, prefix: str) -> str | None:
    """The id (`adk_` and eight characters) of a key with this prefix; None if it is none, or was mistyped."""
    match = _FORM.fullmatch(key)
    if match is None or match[1] != prefix or _checksum(key[:-_CHECKSUM]) != key[-_CHECKSUM:]:
        return None
    return f"{prefix}_{match[2]}"


def key_digest(root: bytes, key: str) -> str:
    """What is stored of a key: its keyed hash under a root of its own, hexadecimal."""
    return keyed(root, key.encode()).hex()


def _checksum(text: str) -> str:
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM):
        rest, digit = divmod(rest, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
