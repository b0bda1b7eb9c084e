"""Signed statements about a chain: how long it is and what its root is, and what was let go of its beginning.

A checkpoint (https://c2sp.org/tlog-checkpoint), as a signed note:

    <deployment>/<chain>
    <size, decimal>
    <root, base64>
    final                    an optional line: nothing follows in this chain

A trimming says where the chain begins now, with what it takes to go on from there:

    leuko trimming
    <deployment>/<chain>
    <number of the first record that is left>
    <hash of the record before it, base64>
    <a peak of the tree before it, base64>     as many as there are
"""

import base64
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.ledger.merkle import Tree
from gateway.ledger.note import NotSigned, Signer, open_note

FINAL = "final"
_TRIMMING = "leuko trimming"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tree over the first `size` records of `chain`."""

    deployment: str
    chain: str
    size: int
    root: bytes
    final: bool = False

    @property
    def text(self) -> str:
        """What is signed."""
        lines = [f"{self.deployment}/{self.chain}", str(self.size), _text(self.root)]
        return "\n".join([*lines, FINAL] if self.final else lines) + "\n"


@dataclass(frozen=True, slots=True)
class Trimming:
    """The records of `chain` before number `first` were let go. `head` is the hash of the last of them."""

    deployment: str
    chain: str
    first: int
    head: bytes
    peaks: tuple[bytes, ...]

    @property
    def text(self) -> str:
        """What is signed."""
        lines = [_TRIMMING, f"{self.deployment}/{self.chain}", str(self.first), _text(self.head)]
        return "\n".join([*lines, *map(_text, self.peaks)]) + "\n"

    def tree(self) -> Tree:
        """The tree over what was let go, to go on with."""
        return Tree(self.first, self.peaks)


def sign_checkpoint(signer: Signer, chain: str, tree: Tree, *, final: bool = False) -> str:
    """The note."""
    return signer.sign(Checkpoint(signer.deployment, chain, tree.size, tree.root(), final).text)


def sign_trimming(signer: Signer, chain: str, tree: Tree, head: bytes) -> str:
    """The note that says `tree` is what was let go."""
    return signer.sign(Trimming(signer.deployment, chain, tree.size, head, tree.peaks).text)


def open_checkpoint(note: str, name: str, key: Ed25519PublicKey) -> Checkpoint:
    """A note's statement, once its signature is checked. Raises NotSigned."""
    text = open_note(note, name, key)
    lines = text.split("\n")
    try:
        deployment, _, chain = lines[0].partition("/")
        found = Checkpoint(deployment, chain, int(lines[1]), base64.b64decode(lines[2], validate=True), FINAL in lines)
    except (IndexError, ValueError):
        raise NotSigned("it has no origin, size and root") from None
    if found.text != text or deployment != name or len(found.root) != 32 or found.size < 0:
        raise NotSigned("it is not in the one form a checkpoint has")
    return found


def open_trimming(note: str, name: str, key: Ed25519PublicKey) -> Trimming:
    """A note's statement, once its signature is checked. Raises NotSigned."""
    text = open_note(note, name, key)
    lines = text.split("\n")
    try:
        deployment, _, chain = lines[1].partition("/")
        head, *peaks = (base64.b64decode(line, validate=True) for line in lines[3:-1])
        found = Trimming(deployment, chain, int(lines[2]), head, tuple(peaks))
        found.tree()
    except (IndexError, ValueError):
        raise NotSigned("it has no origin, number and hashes") from None
    if found.text != text or deployment != name:
        raise NotSigned("it is not in the one form a trimming has")
    return found


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
