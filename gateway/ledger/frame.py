"""How a record lies in a segment: length, checksum, payload.

    4 bytes   length of the payload, big endian
    4 bytes   CRC-32 of the payload (zlib), big endian
    payload   UTF-8 JSON, keys sorted, no spaces

The checksum tells a torn write; it is the hashes that tell tampering.
"""

import zlib
from collections.abc import Iterator
from struct import Struct

from gateway.model.value import value

MAX_PAYLOAD = 1 << 20
HEADER = Struct(">II")


class Damaged(Exception):
    """Bytes that are no frame. `offset` is where the frame would begin; `torn` says that they end too early."""

    def __init__(self, offset: int, reason: str, *, torn: bool = False) -> None:
        super().__init__(f"at byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason
        self.torn = torn


@value
class Frame:
    """A payload and where its frame begins and ends, in bytes."""

    start: int
    end: int
    payload: bytes


def frame(payload: bytes) -> bytes:
    """The payload as it is written. Raises ValueError if it is empty or larger than `MAX_PAYLOAD`."""
    if not 0 < len(payload) <= MAX_PAYLOAD:
        raise ValueError(f"a record of {len(payload)} bytes; it may have 1 to {MAX_PAYLOAD}")
    return HEADER.pack(len(payload), zlib.crc32(payload)) + payload


def frames(data: bytes, start: int = 0) -> Iterator[Frame]:
    """Every frame from `start` on. Raises Damaged at the first bytes that are none."""
    at, size = start, len(data)
    while at < size:
        if size - at < HEADER.size:
            raise Damaged(at, f"{size - at} bytes, less than a header", torn=True)
        length, checksum = HEADER.unpack_from(data, at)
        if not 0 < length <= MAX_PAYLOAD:
            raise Damaged(at, f"a length of {length}")
        begin, end = at + HEADER.size, at + HEADER.size + length
        if end > size:
            raise Damaged(at, f"{size - begin} of {length} bytes", torn=True)
        payload = data[begin:end]
        if zlib.crc32(payload) != checksum:
            # Only the last write can be torn; within a file this is damage.
            raise Damaged(at, "the checksum is not that of the bytes", torn=end == size)
        yield Frame(at, end, payload)
        at = end
