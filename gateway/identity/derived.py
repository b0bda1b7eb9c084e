"""Ids and keys that are derived: the same on every replica, and nobody can compute them without the secret."""

import hashlib
import hmac
from base64 import b32encode

AGENT_BYTES = 15
CREDENTIAL_BYTES = 12


def keyed(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256 (RFC 2104), 32 bytes."""
    return hmac.digest(key, data, hashlib.sha256)


def subkey(secret: bytes, label: str) -> bytes:
    """32 bytes for one purpose from the deployment's root secret: HKDF-Expand (RFC 5869) with one block."""
    return keyed(secret, label.encode() + b"\x01")


def agent_id(unguessable: bytes) -> str:
    """`agt_` and 24 letters or digits, from the first 15 bytes."""
    return "agt_" + b32encode(unguessable[:AGENT_BYTES]).decode("ascii")


def credential_id(digest: bytes) -> str:
    """`crd_` and 24 hexadecimal digits, from the first 12 bytes of a keyed hash."""
    return "crd_" + digest[:CREDENTIAL_BYTES].hex()
