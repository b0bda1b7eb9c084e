"""Signed notes (https://c2sp.org/signed-note) with Ed25519: a text, an empty line, signature lines."""

import base64
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_ED25519 = b"\x01"
_DASH = "\u2014"


class NotSigned(ValueError):
    """A note that cannot be read, or that the key expected has not signed."""


class Signer:
    """Signs for one deployment; its name is that of the key."""

    def __init__(self, deployment: str, key: Ed25519PrivateKey) -> None:
        if not deployment or any(c.isspace() or c in "+/" for c in deployment):
            raise ValueError(f"{deployment!r} is no name for a signing key: it has spaces, + or /")
        self.deployment = deployment
        self.public_key = key.public_key()
        self._key = key
        self._id = key_id(deployment, self.public_key)

    def sign(self, text: str) -> str:
        """The note. `text` ends in a line feed."""
        signature = base64.b64encode(self._id + self._key.sign(text.encode())).decode()
        return f"{text}\n{_DASH} {self.deployment} {signature}\n"


def key_id(name: str, key: Ed25519PublicKey) -> bytes:
    """Four bytes that tell one key of a name from another."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + _raw(key)).digest()[:4]


def verifier_key(name: str, key: Ed25519PublicKey) -> str:
    """A key as witnesses and other tools take it: `name+id+base64`."""
    return f"{name}+{key_id(name, key).hex()}+{base64.b64encode(_ED25519 + _raw(key)).decode()}"


def read_verifier_key(text: str) -> tuple[str, Ed25519PublicKey]:
    """The name and the key. Raises ValueError."""
    try:
        name, ident, encoded = text.strip().split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        key = Ed25519PublicKey.from_public_bytes(raw[1:])
    except ValueError:
        raise ValueError("not a verifier key: it is name+id+base64") from None
    if raw[:1] != _ED25519 or key_id(name, key).hex() != ident:
        raise ValueError("not a verifier key: its id is not that of the key")
    return name, key


def open_note(note: str, name: str, key: Ed25519PublicKey) -> str:
    """The text that `name` signed with `key`. Raises NotSigned."""
    text, _, signatures = note.rpartition("\n\n")
    if not signatures.endswith("\n"):
        raise NotSigned("it ends too early")
    expected = key_id(name, key)
    for line in signatures[:-1].split("\n"):
        mark, _, rest = line.partition(" ")
        signer, _, encoded = rest.partition(" ")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except ValueError:
            continue
        if mark != _DASH or signer != name or raw[:4] != expected:
            continue
        if base64.b64encode(raw).decode() != encoded:
            raise NotSigned("the signature is not in the one form it has")
        try:
            key.verify(raw[4:], (text + "\n").encode())
        except InvalidSignature:
            raise NotSigned("the signature is not of this text") from None
        return text + "\n"
    raise NotSigned("there is no signature by the key expected")


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
