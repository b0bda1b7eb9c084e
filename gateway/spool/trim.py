"""Lets go of old records by whole segments: what goes is stated and signed before it goes."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.ledger.chain import decode, leaf_hash, origin
from gateway.ledger.checkpoint import Trimming, open_trimming, sign_trimming
from gateway.ledger.frame import Damaged, frames
from gateway.ledger.merkle import Tree
from gateway.ledger.note import Signer
from gateway.ledger.verify import TRIMMED as TRIM
from gateway.model.audit import AuditEntry
from gateway.spool.disk import Disk
from gateway.spool.files import SUCCESSOR, TRIMMED, SegmentFile, chains, is_live, segments

Say = Callable[[AuditEntry], None]
"""Records an entry and returns once it is safe; raises what keeps it from that."""


class Trimmer:
    """Trims the chains below `root`: those of processes that are gone, and `own`.

    Args:
        say: takes the record of each trimming before it is done.
        clock: seconds since the epoch.
        life: seconds that records are kept.
    """

    def __init__(
        self, root: Path, signer: Signer, disk: Disk, say: Say, *, clock: Callable[[], float], life: float
    ) -> None:
        self._root = root
        self._signer = signer
        self._disk = disk
        self._say = say
        self._clock = clock
        self._life = life

    def trim(self, own: str) -> int:
        """Let go of what is too old; how many records went. A chain that is damaged stays as it is.

        Raises:
            OSError: the disk fails.
        """
        gone = 0
        for chain in chains(self._root):
            directory = self._root / chain
            if chain != own and (is_live(directory) or not (directory / SUCCESSOR).exists()):
                continue
            try:
                gone += self._trim(directory, whole=chain != own)
            except (Damaged, ValueError):
                continue  # verifying it says more
        return gone

    def _trim(self, directory: Path, *, whole: bool) -> int:
        every = segments(directory)
        old = 0
        oldest = (self._clock() - self._life) * 1000
        while old < len(every) and _latest(every, old) < oldest:
            old += 1
        if old == len(every) and not whole:
            old -= 1
        if old <= 0:
            return 0
        tree, head = self._before(directory)
        start = tree.size
        for at in range(old):
            following = every[at + 1].first if at + 1 < len(every) else None
            head = _take(tree, every[at], following, head)
        gone = tree.size - start
        self._say(self._entry(directory.name, tree, head, whole=old == len(every)))
        if old == len(every):
            shutil.rmtree(directory)
        else:
            note = sign_trimming(self._signer, directory.name, tree, head)
            self._disk.replace(directory / TRIMMED, note.encode())
            for segment in every[:old]:
                os.unlink(segment.path)
        return gone

    def _before(self, directory: Path) -> tuple[Tree, bytes]:
        try:
            note = (directory / TRIMMED).read_text("utf-8")
        except FileNotFoundError:
            return Tree(), origin(directory.name)
        found: Trimming = open_trimming(note, self._signer.deployment, self._signer.public_key)
        return found.tree(), found.head

    def _entry(self, chain: str, tree: Tree, head: bytes, *, whole: bool) -> AuditEntry:
        metadata: dict[str, Any] = {"first": tree.size, "head": head.hex(), "root": tree.root().hex(), "whole": whole}
        return AuditEntry(time=self._clock(), kind="gateway", action=TRIM, resource=chain, metadata=metadata)


def _latest(every: list[SegmentFile], at: int) -> int:
    """The time of a segment's last record, ms, or a later one: the next segment's first."""
    if at + 1 < len(every):
        first = next(frames(every[at + 1].path.read_bytes()), None)
        return 1 << 62 if first is None else int(decode(first.payload)["time"])
    found = list(frames(every[at].path.read_bytes()))
    return int(decode(found[-1].payload)["time"]) if found else 0


def _take(tree: Tree, segment: SegmentFile, following: int | None, head: bytes) -> bytes:
    if segment.first < tree.size:
        return head  # a trimming before this one was interrupted
    for frame in frames(segment.path.read_bytes()):
        if tree.size == following:
            break
        head = leaf_hash(frame.payload)
        tree.append(head)
    return head
