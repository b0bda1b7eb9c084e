"""The segments of one chain, from the side that writes. It knows which bytes are safe; `Audit` says when to sync."""

import contextlib
import errno
import os
from pathlib import Path

from gateway.ledger.chain import encode, leaf_hash, origin
from gateway.ledger.frame import frame, frames
from gateway.model.audit import AuditEntry
from gateway.spool.disk import Disk
from gateway.spool.errors import AuditUnavailable
from gateway.spool.files import SegmentFile, segment_path

_MOST_DEFERRED = 64
"""Records that wait to be written; one more is written at once, with all of them."""

_MOST_WRITTEN = 10_000
"""Frames kept for whoever compares them with the disk; at most some megabytes."""


class ChainWriter:
    """Appends records. Numbers below `durable` are on the disk; the others are kept in memory as well until they are.

    `leaves` are the hashes of the last records, `written` their frames (empty where there are too many of them), until
    `forget`.

    `broken` says that a segment may hold bytes that are no record: `rewrite` comes next.

    Args:
        directory: of the chain, made and locked.
        segment_bytes: size at which the next segment begins.
    """

    def __init__(self, directory: Path, chain: str, disk: Disk, *, segment_bytes: int) -> None:
        self.directory = directory
        self.chain = chain
        self.seq = 0
        self.head = origin(chain)
        self.durable = 0
        self.leaves: list[bytes] = []
        self.written: list[bytes] = []
        self._disk = disk
        self._segment_bytes = segment_bytes
        self._unsynced: list[bytes] = []
        self._deferred: list[bytes] = []  # the last of them, which are in no file yet
        self._ordinal = 0
        self._open: list[tuple[int, SegmentFile]] = []
        self._descriptor = -1
        self._size = 0
        self._pid = os.getpid()
        self.names_changed = False
        self.broken = False
        self._begin(0)

    def append(self, entry: AuditEntry, *, defer: bool = False) -> int:
        """Write one record; its number. Raises AuditUnavailable (a copy of the process) or OSError: nothing is kept.

        Args:
            defer: it is enough to write it with the next record, or at `flush`: a write costs more than all else here.
        """
        if os.getpid() != self._pid:
            raise AuditUnavailable("This process is a copy of the one that writes the record.")
        payload = encode(self.seq, self.head, entry)
        data = frame(payload)
        if self._size >= self._segment_bytes:
            self._begin(self._written)
        if defer and len(self._deferred) < _MOST_DEFERRED:
            self._deferred.append(data)
        else:
            self._write_deferred(data)
        self.head = leaf_hash(payload)
        self.leaves.append(self.head)
        self.written.append(data if len(self.written) < _MOST_WRITTEN else b"")
        self._unsynced.append(data)
        self.seq += 1
        return self.seq - 1

    def flush(self) -> None:
        """Write what was deferred. Raises OSError: it stays deferred."""
        if self._deferred:
            self._write_deferred()

    def begin_sync(self) -> tuple[int, list[int], bool]:
        """What a sync is about: the records below a number, the descriptors, and whether names are to be synced."""
        changed, self.names_changed = self.names_changed, False
        return self._written, [descriptor for descriptor, _ in self._open], changed

    def synced(self, upto: int) -> None:
        """The records below `upto` are on the disk."""
        del self._unsynced[: upto - self.durable]
        self.durable = upto
        while len(self._open) > 1 and self._open[1][1].first <= upto:
            self._disk.close(self._open.pop(0)[0])

    def forget(self, count: int) -> None:
        """Let go of the first `count` of `leaves` and `written`."""
        del self.leaves[:count]
        del self.written[:count]

    def rewrite(self) -> SegmentFile:
        """Give up every segment that holds records which are not safe, and write those into a new one.

        What a failed sync has left on a file is unknown, and asking it again may lie: it is never synced again.

        Raises:
            OSError: there is no new segment; it may be tried again.
        """
        given_up, self._open = self._open, []
        deferred, self._deferred = self._deferred, []
        try:
            self._begin(self.durable)
            for data in self._unsynced:
                self._write(data)
        except OSError:
            for begun in self._open:
                self._abandon(begun)
            self._open, self._deferred = given_up, deferred
            raise
        self.broken = False
        for old in given_up:
            self._abandon(old)
        return self._open[0][1]

    def close(self) -> None:
        for descriptor, _ in self._open:
            self._disk.close(descriptor)
        self._open = []

    def _begin(self, first: int) -> None:
        self._ordinal += 1
        segment = SegmentFile(segment_path(self.directory, self._ordinal, first), self._ordinal, first)
        self._descriptor = self._disk.create(segment.path)
        self._open.append((self._descriptor, segment))
        self._size = 0
        self.names_changed = True

    @property
    def _written(self) -> int:
        """The records below this number are in a file."""
        return self.seq - len(self._deferred)

    def _write_deferred(self, data: bytes = b"") -> None:
        """What was deferred and then `data`, in one write."""
        if self._deferred:
            data = b"".join((*self._deferred, data))
        self._write(data)
        self._deferred.clear()

    def _write(self, data: bytes) -> None:
        """All of it or nothing."""
        try:
            taken = self._disk.write(self._descriptor, data)
            if taken != len(data):
                raise OSError(errno.ENOSPC, "only a part of the record was taken")
        except OSError:
            self._undo()
            raise
        self._size += len(data)

    def _undo(self) -> None:
        try:
            self._disk.truncate(self._descriptor, self._size)
        except OSError:
            self.broken = True

    def _abandon(self, old: tuple[int, SegmentFile]) -> None:
        """Leave of a file only what is safe; where even that fails, readers go by the next one's number."""
        descriptor, segment = old
        with contextlib.suppress(OSError):
            if segment.first >= self.durable:
                segment.path.unlink(missing_ok=True)
            else:
                self._disk.truncate(descriptor, _length(segment.path, self.durable - segment.first))
        with contextlib.suppress(OSError):
            self._disk.close(descriptor)


def _length(path: Path, count: int) -> int:
    """Bytes of the first `count` records of a segment."""
    end = 0
    for number, found in enumerate(frames(path.read_bytes())):
        if number == count:
            break
        end = found.end
    return end
