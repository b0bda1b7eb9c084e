"""The compact form of a JWS (RFC 7515), in the one spelling that we write ourselves.

Every token costs one signature verification, whatever is wrong with it, and what it says is read only when its
signature was good. The header says which of our keys it means (`kid`) and what it is (`typ`), and nothing else counts:
the algorithm is the key's, and keys or addresses of keys in a header (`jwk`, `jku`, `x5u`, `x5c`) are never looked at.
"""

import base64
import binascii
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.intents.canonical import canonical
from gateway.intents.claims import TokenProblem
from gateway.intents.keyring import Key, KeyRing

LONGEST = 8 * 1024
"""Bytes of a token."""
ALGORITHMS = frozenset({"EdDSA", "Ed25519"})
"""Names of the one algorithm that Ed25519 keys have (RFC 8037, RFC 9864)."""

_LARGEST = 2**53
_REFUSED = ("crit", "b64", "zip", "enc")  # they change how the rest is to be read, and none is understood here


def sign(payload: dict[str, Any], typ: str, key: Key) -> str:
    """The token. Raises ValueError for a key that cannot sign, and for a payload without RFC 8785 form or too large."""
    if key.private is None:
        raise ValueError(f"the private part of key {key.kid} is not here")
    header = canonical({"alg": "EdDSA", "kid": key.kid, "typ": typ})
    text = f"{_encoded(header)}.{_encoded(canonical(payload))}"
    token = f"{text}.{_encoded(key.private.sign(text.encode()))}"
    if len(token) > LONGEST:
        raise ValueError(f"the token would have {len(token)} bytes; at most {LONGEST}")
    return token


def verified(token: bytes | str, typ: str, ring: KeyRing, now: float) -> dict[str, Any]:
    """What a token says that one of our keys signed as a `typ`. Raises TokenProblem: `malformed`, `bad_signature`."""
    problem: TokenProblem | None = None
    key, signed, payload, signature = ring.current, b"", b"", bytes(64)
    try:
        signed, header, payload, signature = _parts(token)
        key = _key(header, typ, ring, now)
    except TokenProblem as found:
        problem = found
    good = _is_signature(key.public, signature, signed)
    if problem is not None:
        raise problem
    if not good:
        raise TokenProblem("bad_signature", "it is not signed with the key it names")
    return read_object(payload, "payload")


def _parts(token: bytes | str) -> tuple[bytes, dict[str, Any], bytes, bytes]:
    raw = token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token
    if len(raw) > LONGEST:
        raise TokenProblem("malformed", f"it is longer than {LONGEST} bytes")
    parts = raw.split(b".")
    if len(parts) != 3:
        raise TokenProblem("malformed", "it is not three parts with dots between them")
    header, payload, signature = (_decoded(part) for part in parts)
    if len(signature) != 64:
        raise TokenProblem("bad_signature", "its signature is not of 64 bytes")
    return raw.rpartition(b".")[0], read_object(header, "header"), payload, signature


def _key(header: dict[str, Any], typ: str, ring: KeyRing, now: float) -> Key:
    if refused := [name for name in _REFUSED if name in header]:
        raise TokenProblem("malformed", f"its header has `{refused[0]}`, which is not understood")
    if header.get("typ") != typ:
        raise TokenProblem("malformed", f"its `typ` is not {typ}")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenProblem("malformed", "its `alg` is not that of our keys, Ed25519")
    key = ring.by_kid(kid) if isinstance(kid, str) else None
    if key is None or (key.until is not None and now > key.until):
        raise TokenProblem("bad_signature", "its `kid` is of no key in force")
    return key


def _is_signature(public: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        public.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(part: bytes) -> bytes:
    """Of base64url without padding, white space or spare bits: no other text means the same bytes."""
    try:
        raw = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise TokenProblem("malformed", "it is not base64url") from None
    if _encoded(raw).encode() != part:
        raise TokenProblem("malformed", "it is not base64url as everybody writes it")
    return raw


def read_object(raw: bytes, what: str) -> dict[str, Any]:
    """A JSON object that every reader reads alike. Raises TokenProblem."""
    try:
        found = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_members,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_number,
        )
        canonical(found)
    except (ValueError, RecursionError):
        raise TokenProblem("malformed", f"its {what} is not JSON that all read alike") from None
    if not isinstance(found, dict):
        raise TokenProblem("malformed", f"its {what} is not a JSON object")
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has a member twice")
    return members


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _integer(text: str) -> int:
    if len(text) > 17 or abs(number := int(text)) >= _LARGEST:
        raise ValueError("an integer is too large")
    return number


def _number(text: str) -> float:
    number = float(text)
    if abs(number) == float("inf"):
        raise ValueError("a number is too large")
    return number
