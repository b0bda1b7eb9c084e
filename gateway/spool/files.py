"""How chains lie on disk, for whoever reads them.

<root>/<chain>/<ordinal>-<first>.log   segments, in the order they were begun; `first` is their first record's number
<root>/<chain>/checkpoint              the last checkpoint
<root>/<chain>/lock                    locked while a process writes the chain
<root>/<chain>/successor               the chain whose first record names this one's head
<root>/ballast                         room for a last record when the disk is full
"""

import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.ledger.chain import CHAIN_ID
from gateway.ledger.frame import Damaged, frames

LOCK, CHECKPOINT, SUCCESSOR, TRIMMED = "lock", "checkpoint", "successor", "trimmed"
_NAME = re.compile(r"(\d{8})-(\d{16})\.log")


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """One segment on disk. `first` is the number of its first record."""

    path: Path
    ordinal: int
    first: int


def segment_path(directory: Path, ordinal: int, first: int) -> Path:
    return directory / f"{ordinal:08d}-{first:016d}.log"


def segments(directory: Path) -> list[SegmentFile]:
    """The segments of a chain in order; none if the chain is not there."""
    if not directory.is_dir():
        return []
    found = []
    for path in directory.iterdir():
        match = _NAME.fullmatch(path.name)
        if match:
            found.append(SegmentFile(path, int(match[1]), int(match[2])))
    return sorted(found, key=lambda segment: segment.ordinal)


def chains(root: Path) -> list[str]:
    """The ids of the chains on disk, by the time they began."""
    if not root.is_dir():
        return []
    found = [path for path in root.iterdir() if CHAIN_ID.fullmatch(path.name) and path.is_dir()]
    return [path.name for path in sorted(found, key=lambda path: (_began(path), path.name))]


def payloads(directory: Path, first: int, upto: int | None = None) -> Iterator[bytes]:
    """Records `first` to `upto` (exclusive) of a chain; fewer where its bytes end or are damaged.

    Where a segment was given up, its successor begins with a number it holds too: then the successor's record counts.
    """
    every = segments(directory)
    for at, segment in enumerate(every):
        following = every[at + 1].first if at + 1 < len(every) else None
        if following is not None and following <= first:
            continue
        number = segment.first
        try:
            for frame in frames(segment.path.read_bytes()):
                if upto is not None and number >= upto:
                    return
                if number >= first:
                    yield frame.payload
                number += 1
                if number == following:
                    break
        except Damaged:
            return


def lock(directory: Path, *, wait: bool = False) -> int | None:
    """Lock a directory against other processes; the descriptor to close, or None if another one holds it."""
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_live(directory: Path) -> bool:
    """Whether a process holds the chain."""
    try:
        descriptor = os.open(directory / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _began(directory: Path) -> float:
    """When the chain was made: its lock is the first file in it and is never written again."""
    try:
        return (directory / LOCK).stat().st_mtime
    except FileNotFoundError:
        return 0.0
