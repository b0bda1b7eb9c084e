"""A bounded set of keyed hashes: which tokens and pairs a session has read. A Bloom filter of 32 KiB.

It never forgets what was added. What was not added is taken for added once in a thousand times after ten thousand
additions, and more often the more there are: a flood of text makes everything count as read, and never pushes anything
out. Pairs and their parts are as `gateway.policy.tokens` makes them.
"""

import hashlib
import struct
from collections.abc import Iterable

from gateway.policy.tokens import folded, traits

BYTES = 32 * 1024
HASHES = 4
MOST_HASHES = 8
_BITS = BYTES * 8 - 1


def merged(values: Iterable[str], key: bytes, *, base: bytes = b"", hashes: int = HASHES) -> bytes:
    """The bits of a set that holds these, and what `base` holds. With more `hashes` fewer others are taken for them."""
    bits = bytearray(base or BYTES)
    for value in values:
        for at in _places(value, key)[:hashes]:
            bits[at >> 3] |= 1 << (at & 7)
    return bytes(bits)


def holds(bits: bytes, value: str, key: bytes, *, hashes: int = HASHES) -> bool:
    """Whether a text stood in what was read: a short one never."""
    if len(bits) < BYTES:
        return False
    wanted = traits(folded(value))
    return bool(wanted) and all(bits[at >> 3] & (1 << (at & 7)) for one in wanted for at in _places(one, key)[:hashes])


def _places(value: str, key: bytes) -> tuple[int, ...]:
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=32, key=key, person=b"taint").digest()
    return tuple(number & _BITS for number in struct.unpack("<8I", digest))
