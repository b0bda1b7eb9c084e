"""Reads a chain's records as they become safe, each once."""

import os
from collections.abc import Sequence
from pathlib import Path

from gateway.ledger.frame import HEADER, MAX_PAYLOAD, Damaged, frames
from gateway.spool.files import SegmentFile, segments

_BLOCK = 256 * 1024
"""Bytes read at once: whoever is far behind must not hold all that lies before him."""


class Follower:
    """Reads from record `seq` on, and remembers where it stands, so that nothing is read twice.

    `seq` may be set to a later number: the records before it are left out.
    """

    def __init__(self, directory: Path, seq: int = 0) -> None:
        self.seq = seq
        self._directory = directory
        self._segment: SegmentFile | None = None
        self._number = 0
        self._offset = 0

    def read(self, upto: int, most: int = 4096) -> list[bytes]:
        """The next records below number `upto`, at most `most`; fewer than that only where they are not there.

        Raises:
            Damaged: bytes are no record.
            OSError: they cannot be read.
        """
        return [framed[HEADER.size :] for framed in self.read_framed(upto, most)]

    def read_framed(self, upto: int, most: int = 4096) -> list[bytes]:
        """The same in their frames."""
        found: list[bytes] = []
        upto = min(upto, self.seq + most)
        while self.seq < upto:
            before = self.seq
            self._locate()
            if self._segment is None:
                break
            self._read_segment(upto, found)
            if self.seq == before:
                break
        return found

    def skip(self, written: Sequence[bytes]) -> int:
        """How many of the next records, up to the end of a segment, lie there as they were `written`, frames and all.

        They count as read. One comparison, many times quicker than reading them; where there is any difference the
        answer is 0, and `read` tells what it is. Raises OSError.
        """
        self._locate()
        if self._segment is None or self._number != self.seq:
            return 0
        end = _end(self._directory, self._segment)
        here = written if end is None else written[: end - self.seq]
        expected = b"".join(here)
        with self._segment.path.open("rb") as file:
            file.seek(self._offset)
            if file.read(len(expected)) != expected:
                return 0
        self.seq += len(here)
        self._number = self.seq
        self._offset += len(expected)
        return len(here)

    def _locate(self) -> None:
        """The segment that holds record `seq`: the last one that begins at or before it."""
        fitting = [segment for segment in segments(self._directory) if segment.first <= self.seq]
        segment = fitting[-1] if fitting else None
        if segment != self._segment:
            self._segment, self._offset = segment, 0
            self._number = 0 if segment is None else segment.first

    def _read_segment(self, upto: int, found: list[bytes]) -> None:
        assert self._segment is not None
        end = _end(self._directory, self._segment)
        block = _BLOCK
        with self._segment.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            while self._offset < size and self.seq < upto and self._number != end:
                at = file.seek(self._offset)
                data = file.read(min(block, size - at))
                try:
                    self._take(data, upto, end, found)
                except Damaged as error:
                    if not error.torn or at + len(data) == size or (self._offset == at and block > MAX_PAYLOAD):
                        raise
                    # The block ends within a record. One that is larger than the block needs a larger one.
                    block = _BLOCK if self._offset > at else HEADER.size + MAX_PAYLOAD

    def _take(self, data: bytes, upto: int, end: int | None, found: list[bytes]) -> None:
        """The records in a block that begins where this stands."""
        at = self._offset
        for frame in frames(data):
            if self._number >= self.seq:
                found.append(data[frame.start : frame.end])
                self.seq = self._number + 1
            self._number += 1
            self._offset = at + frame.end
            if self.seq >= upto or self._number == end:
                return


def _end(directory: Path, segment: SegmentFile) -> int | None:
    """The number the next segment begins with."""
    return next((s.first for s in segments(directory) if s.ordinal > segment.ordinal), None)
