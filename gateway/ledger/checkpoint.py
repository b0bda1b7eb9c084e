"""Signed statements of how long a chain is and what its root is.

A checkpoint (https://c2sp.org/tlog-checkpoint) as a signed note (https://c2sp.org/signed-note) with Ed25519:

    <deployment>/<chain>
    <size, decimal>
    <root, base64>
    final                    an optional line: nothing follows in this chain

    — <deployment> <base64 of key id and signature>
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

FINAL = "final"
_ED25519 = b"\x01"


class NotACheckpoint(ValueError):
    """A note that cannot be read, or whose signature is not by the key expected."""


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
        lines = [f"{self.deployment}/{self.chain}", str(self.size), base64.b64encode(self.root).decode()]
        return "\n".join([*lines, FINAL] if self.final else lines) + "\n"


class Signer:
    """Signs checkpoints of one deployment."""

    def __init__(self, deployment: str, key: Ed25519PrivateKey) -> None:
        if not deployment or any(c.isspace() or c in "+/" for c in deployment):
            raise ValueError(f"{deployment!r} is no name for a signing key: it has spaces, + or /")
        self.deployment = deployment
        self.public_key = key.public_key()
        self._key = key
        self._id = key_id(deployment, self.public_key)

    def checkpoint(self, chain: str, size: int, root: bytes, *, final: bool = False) -> str:
        """The note."""
        text = Checkpoint(self.deployment, chain, size, root, final).text
        signature = base64.b64encode(self._id + self._key.sign(text.encode())).decode()
        return f"{text}\n\u2014 {self.deployment} {signature}\n"


def key_id(name: str, key: Ed25519PublicKey) -> bytes:
    """Four bytes that tell one key of a name from another."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + raw).digest()[:4]


def verifier_key(name: str, key: Ed25519PublicKey) -> str:
    """A key as witnesses and other tools take it: `name+id+base64`."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"{name}+{key_id(name, key).hex()}+{base64.b64encode(_ED25519 + raw).decode()}"


def read_verifier_key(text: str) -> tuple[str, Ed25519PublicKey]:
    """The name and the key. Raises ValueError."""
    try:
        name, ident, encoded = text.strip().split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        key = Ed25519PublicKey.from_public_bytes(raw[1:])
    except (ValueError, binascii.Error):
        raise ValueError("not a verifier key: it is name+id+base64") from None
    if raw[:1] != _ED25519 or key_id(name, key).hex() != ident:
        raise ValueError("not a verifier key: its id is not that of the key")
    return name, key


def open_checkpoint(note: str, key: Ed25519PublicKey) -> Checkpoint:
    """A note's statement, once its signature is checked. Raises NotACheckpoint."""
    text, _, signatures = note.rpartition("\n\n")
    checkpoint = _read(text + "\n")
    expected = key_id(checkpoint.deployment, key)
    if not signatures.endswith("\n"):
        raise NotACheckpoint("it ends too early")
    for line in signatures[:-1].split("\n"):
        mark, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            continue
        if mark != "\u2014" or name != checkpoint.deployment or raw[:4] != expected:
            continue
        if base64.b64encode(raw).decode() != encoded:
            raise NotACheckpoint("the signature is not in the one form it has")
        try:
            key.verify(raw[4:], (text + "\n").encode())
        except InvalidSignature:
            raise NotACheckpoint("the signature is not of this text") from None
        return checkpoint
    raise NotACheckpoint("there is no signature by the key expected")


def _read(text: str) -> Checkpoint:
    lines = text.split("\n")
    try:
        deployment, _, chain = lines[0].partition("/")
        found = Checkpoint(deployment, chain, int(lines[1]), base64.b64decode(lines[2], validate=True), FINAL in lines)
    except (IndexError, ValueError):
        raise NotACheckpoint("it has no origin, size and root") from None
    if found.text != text or len(found.root) != 32 or found.size < 0:
        raise NotACheckpoint("it is not in the one form a checkpoint has")
    return found
