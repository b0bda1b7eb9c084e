"""The keys that sign tokens: the current one, the next, and retired ones whose tokens still live.

A key's id is its thumbprint (RFC 7638), so that nobody can give two keys one id.
"""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.intents.canonical import canonical, thumb
from gateway.model.value import value

STATES = ("current", "next", "retired")


def thumbprint(public: Ed25519PublicKey) -> str:
    """The RFC 7638 thumbprint of the key's JWK (RFC 8037), 43 characters."""
    return thumb(canonical(_jwk(public)))


@value
class Key:
    """A key of the ring.

    Attributes:
        kid: its thumbprint.
        private: None where only tokens are verified.
        state: `current` signs; `next` will; `retired` only verifies.
        until: when the last token of a retired key expires, seconds since the epoch; None: not yet known to end.
    """

    kid: str
    private: Ed25519PrivateKey | None
    public: Ed25519PublicKey
    state: str = "current"
    until: float | None = None


def key_of(private: Ed25519PrivateKey, state: str = "current", until: float | None = None) -> Key:
    """The ring's entry for a private key."""
    public = private.public_key()
    return Key(thumbprint(public), private, public, state, until)


class KeyRing:
    """The keys in force, one of which is current. Raises ValueError where none or several are."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys = tuple(keys)
        self._by_kid: Mapping[str, Key] = {key.kid: key for key in self.keys}
        current = [key for key in self.keys if key.state == "current"]
        if len(current) != 1 or len(self._by_kid) != len(self.keys):
            raise ValueError("a key ring has one current key, and each key once")
        self.current = current[0]

    def by_kid(self, kid: str) -> Key | None:
        """The key of this id."""
        return self._by_kid.get(kid)

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK set (RFC 7517), the current one first."""
        order = sorted(self.keys, key=lambda key: STATES.index(key.state))
        return {"keys": [{**_jwk(key.public), "kid": key.kid, "alg": "EdDSA", "use": "sig"} for key in order]}


def _jwk(public: Ed25519PublicKey) -> dict[str, str]:
    x = base64.urlsafe_b64encode(public.public_bytes_raw()).decode().rstrip("=")
    return {"crv": "Ed25519", "kty": "OKP", "x": x}
