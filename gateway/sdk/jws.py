"""Reads signed tokens (JWS, RFC 7515) in the one spelling that the gateway writes; all others are refused.

Keys are Ed25519 keys of a JWK set (RFC 8037). The header of a token says which of them it means, and nothing more:
the algorithm is the key's, and keys or addresses that a header brings along are never looked at.
"""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LONGEST = 8 * 1024
"""Bytes of a token."""
Keys = Mapping[str, Ed25519PublicKey]

_ALGORITHMS = frozenset({"EdDSA", "Ed25519"})  # RFC 8037 and RFC 9864 name one thing
_REFUSED = ("crit", "b64", "zip", "enc")
_LARGEST = 2**53


class InvalidCall(Exception):
    """A call that must not be executed.

    Attributes:
        word: `malformed`, `bad_signature`, `expired`, `not_yet_valid`, `wrong_agent`, `tool_not_in_intent`,
            `arguments_mismatch`, `uses_exhausted`, or `intent_required` where there is no token at all.
        detail: for a person; holds nothing of the token or the arguments.
    """

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(word, detail)
        self.word = word
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.word}: {self.detail}"


def public_keys(jwks: object) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 keys of a JWK set by `kid`; others are left out (RFC 7517 section 5). Raises ValueError."""
    members = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(members, list):
        raise ValueError("is no JWK set: an object with `keys`, a list")
    keys = {}
    for member in members:
        if not isinstance(member, Mapping) or (member.get("kty"), member.get("crv")) != ("OKP", "Ed25519"):
            continue
        kid, x = member.get("kid"), member.get("x")
        if not isinstance(kid, str) or not isinstance(x, str) or member.get("use", "sig") != "sig":
            continue
        try:
            keys[kid] = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(x + "=" * (-len(x) % 4)))
        except ValueError:
            continue
    return keys


class Token:
    """A token that was taken apart, and is not verified. Raises InvalidCall `malformed` or `bad_signature`."""

    def __init__(self, token: object, typ: str) -> None:
        try:
            raw = token.encode() if isinstance(token, str) else token
        except UnicodeEncodeError:
            raw = None
        if not isinstance(raw, bytes) or len(raw) > LONGEST:
            raise InvalidCall("malformed", f"the token is no text of up to {LONGEST} bytes")
        parts = raw.split(b".")
        if len(parts) != 3:
            raise InvalidCall("malformed", "the token is not three parts with dots between them")
        header, self._payload, self._signature = (_decoded(part) for part in parts)
        self._signed = raw.rpartition(b".")[0]
        self.kid = _kid(read_object(header), typ)

    def claims(self, keys: Keys) -> dict[str, Any]:
        """What it says, if one of these keys signed it. Raises InvalidCall `malformed` or `bad_signature`."""
        key = keys.get(self.kid)
        if key is None:
            raise InvalidCall("bad_signature", "the token is signed with a key that is not known")
        try:
            key.verify(self._signature, self._signed)
        except InvalidSignature:
            raise InvalidCall("bad_signature", "the token is not signed with the key it names") from None
        return read_object(self._payload)


def read_object(raw: bytes) -> dict[str, Any]:
    """A JSON object that every reader reads alike: in UTF-8, no member twice, no number that doubles cannot hold.

    Raises InvalidCall `malformed`.
    """
    try:
        found = json.loads(
            raw.decode(),
            object_pairs_hook=_members,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_number,
        )
        json.dumps(found, ensure_ascii=False).encode()  # half of a surrogate pair has no encoding
    except (ValueError, RecursionError):
        raise InvalidCall("malformed", "there is JSON that not all read alike") from None
    if not isinstance(found, dict):
        raise InvalidCall("malformed", "there is JSON that is no object")
    return found


def _kid(header: dict[str, Any], typ: str) -> str:
    algorithm, kid = header.get("alg"), header.get("kid")
    if any(name in header for name in _REFUSED) or header.get("typ") != typ:
        raise InvalidCall("malformed", f"the token's header is not that of a {typ}")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS or not isinstance(kid, str):
        raise InvalidCall("malformed", "the token's header does not name an Ed25519 key")
    return kid


def _decoded(part: bytes) -> bytes:
    try:
        raw = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raw = b""
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != part:
        raise InvalidCall("malformed", "the token is not base64url without padding and spare bits")
    return raw


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is named twice")
    return members


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _integer(text: str) -> int:
    if len(text) > 17 or abs(number := int(text)) >= _LARGEST:
        raise ValueError("an integer is too large")
    return number


def _number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError("a number is too large")
    return number
