"""Signs what is on the disk, read back from there; never what merely was to be written."""

from collections.abc import Sequence
from pathlib import Path

from gateway.ledger.chain import leaf_hash
from gateway.ledger.checkpoint import sign_checkpoint
from gateway.ledger.frame import Damaged
from gateway.ledger.merkle import Tree
from gateway.ledger.note import Signer
from gateway.spool.disk import Disk
from gateway.spool.files import CHECKPOINT
from gateway.spool.follow import Follower


class Notary:
    """The tree of one chain. Not for two threads at a time."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self.tree = Tree()
        self._directory = directory
        self._disk = disk
        self._follower = Follower(directory)

    def sign(
        self,
        upto: int,
        expected: Sequence[bytes],
        signer: Signer | None,
        *,
        written: Sequence[bytes] = (),
        final: bool = False,
    ) -> str | None:
        """Take the records below `upto` into the tree and sign it; the checkpoint, None without a signer.

        Args:
            expected: the hashes of those records as they were written.
            written: the records themselves, in their frames; empty where that was not kept.

        Raises:
            Damaged: other bytes are there.
            OSError: they cannot be read, or the checkpoint not be written.
        """
        start = self.tree.size
        written = written[: written.index(b"")] if b"" in written else written
        while same := self._follower.skip(written[self.tree.size - start :]):
            for leaf in expected[self.tree.size - start :][:same]:
                self.tree.append(leaf)
        while self.tree.size < upto:
            read = self._follower.read(upto)
            if not read:
                raise Damaged(0, f"record {self.tree.size} is not on the disk")
            for payload in read:
                leaf = leaf_hash(payload)
                if leaf != expected[self.tree.size - start]:
                    raise Damaged(0, f"record {self.tree.size} is not what was written")
                self.tree.append(leaf)
        if signer is None:
            return None
        note = sign_checkpoint(signer, self._directory.name, self.tree, final=final)
        self._disk.replace(self._directory / CHECKPOINT, note.encode())
        return note
