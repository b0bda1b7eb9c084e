"""Sketches of texts: how much two of them have in common can be told from these alone, and no text can.

One-permutation MinHash (Li, Owen and Zhang, 2012) over the parts of sentences: each part falls into one of
the slots, of each slot the least hash counts, as one of 64 letters. Which letter is a secret of the deployment.
"""

import hashlib
from itertools import repeat
from zlib import crc32

SLOTS = 24
EMPTY = "."
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TABLE = 4096
_BYTES = 1536  # the beginning tells what is meant, and more of it would take more than 20 µs
_ENDS = b".,:;!?#*|<>()-"
_PARTS = bytes.maketrans(_ENDS, b"\n" * len(_ENDS))


class Sketcher:
    """Args:
    key: of the deployment, secret, at most 64 bytes.
    """

    def __init__(self, key: bytes) -> None:
        drawn = hashlib.shake_256(b"leuko/sketch/1\x01" + key).digest(4 + _TABLE)
        self._seed = int.from_bytes(drawn[:4], "big")
        self._letters = "".join(_LETTERS[one & 63] for one in drawn[4:])

    def __call__(self, text: bytes) -> str:
        """`SLOTS` letters; `EMPTY` for a slot without any part."""
        parts = set(map(bytes.strip, text[:_BYTES].translate(_PARTS).split(b"\n")))
        parts.discard(b"")
        hashes = sorted(map(crc32, parts, repeat(self._seed)), reverse=True)
        least = {one % SLOTS: one // SLOTS % _TABLE for one in hashes}  # the last one counts
        letters = self._letters
        return "".join([letters[least[slot]] if slot in least else EMPTY for slot in range(SLOTS)])
