"""The proof that a record is in its chain, from the files of this machine."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.ledger.chain import leaf_hash
from gateway.ledger.checkpoint import open_checkpoint, open_trimming
from gateway.ledger.merkle import Leaves, included
from gateway.spool.files import CHECKPOINT, TRIMMED, payloads


@dataclass(frozen=True, slots=True)
class Proof:
    """An audit path (RFC 6962, 2.1.1) from `payload` to the root that `note` signs."""

    payload: bytes
    index: int
    size: int
    path: tuple[bytes, ...]
    note: str

    def shown(self) -> dict[str, Any]:
        """As JSON has it: bytes in base64, hashes in hexadecimal."""
        return {
            "record": base64.b64encode(self.payload).decode(),
            "leaf_hash": leaf_hash(self.payload).hex(),
            "leaf_index": self.index,
            "tree_size": self.size,
            "path": [node.hex() for node in self.path],
            "checkpoint": self.note,
        }


def prove(directory: Path, seq: int, name: str, key: Ed25519PublicKey) -> Proof:
    """Prove record `seq` of the chain in `directory`; reads the whole chain.

    Raises:
        LookupError: there is no such record.
        ValueError: it is not signed yet, or the chain is not what was signed.
    """
    try:
        note = (directory / CHECKPOINT).read_text("utf-8")
    except FileNotFoundError:
        raise LookupError(seq) from None
    signed = open_checkpoint(note, name, key)
    first = 0
    peaks: tuple[bytes, ...] = ()
    if (directory / TRIMMED).exists():
        trimming = open_trimming((directory / TRIMMED).read_text("utf-8"), name, key)
        first, peaks = trimming.first, trimming.peaks
    found: bytes | None = None
    hashes = []
    for number, payload in enumerate(payloads(directory, first, max(signed.size, seq + 1)), first):
        if number < signed.size:
            hashes.append(leaf_hash(payload))
        if number == seq:
            found = payload
    if found is None:
        raise LookupError(seq)
    if seq >= signed.size:
        raise ValueError("no checkpoint covers it yet; ask again in a second")
    path = tuple(Leaves(hashes, first, peaks).inclusion(seq, signed.size))
    if not included(leaf_hash(found), seq, signed.size, path, signed.root):
        raise ValueError("the chain on disk is not the one that was signed")
    return Proof(found, seq, signed.size, path, note)
