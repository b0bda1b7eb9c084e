"""Tokens (JWT, RFC 7519) of one issuer, with which workloads prove who they are.

Which algorithms count is said by the issuer's keys (RFC 7517), never by a token (RFC 8725 section 3.1), and secrets
that are shared with the issuer are no keys here. A token that was good is remembered by its whole hash.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from typing import Any

import jwt

from gateway.identity.derived import AGENT_BYTES, agent_id, credential_id, keyed, subkey
from gateway.model.agent import Agent, Evidence
from gateway.model.bounded import make_room

_LEEWAY = 30.0  # seconds by which two clocks may differ
_LONGEST = 16 * 1024
_NEVER = 1e15  # seconds since the epoch
_SUBJECT_LIMIT = 200
_KNOWN_LIMIT = 10_000
_KINDS = frozenset({"RSA", "EC", "OKP"})
# Times are compared with the clock that was given.
_OPTIONS: dict[str, Any] = {
    "require": ["exp", "iss", "aud"], "verify_exp": False, "verify_nbf": False, "verify_iat": False,
}  # fmt: skip


class BadToken(Exception):
    """Not a token that proves anything. The message holds nothing of it."""


class UnknownKey(BadToken):
    """Signed with a key that is not known; the issuer may have a new one."""


class TokenReader:
    """Verifies tokens against the keys in force.

    Args:
        issuer: `iss`, exactly. audience: has to be among `aud`.
        claim: the claim that names the agent.
        secret: the deployment's root secret; ids are keyed with it.
        clock: seconds since the epoch.
    """

    def __init__(self, issuer: str, audience: str, claim: str, secret: bytes, *, clock: Callable[[], float]) -> None:
        self._issuer = issuer
        self._audience = audience
        self._claim = claim
        self._id_key = subkey(secret, "leuko/token-subject/1")
        self._clock = clock
        self._keys: list[jwt.PyJWK] | None = None
        self._known: dict[bytes, tuple[float, Agent]] = {}

    @property
    def ready(self) -> bool:
        """Whether the issuer's keys are known."""
        return self._keys is not None

    def use(self, jwks: object) -> None:
        """From now on these are the issuer's keys; what others signed is forgotten.

        Raises ValueError for what is no JWK set, or has no key that can be used.
        """
        members = jwks.get("keys") if isinstance(jwks, dict) else None
        if not isinstance(members, list):
            raise ValueError("is no JSON object with `keys`")
        keys = []
        for member in members:
            if not isinstance(member, dict) or member.get("kty") not in _KINDS or member.get("use", "sig") != "sig":
                continue
            try:
                keys.append(jwt.PyJWK.from_dict(member))
            except jwt.PyJWTError:
                continue  # of a kind that is not known here, as sets may hold (RFC 7517 section 5)
        if not keys:
            raise ValueError("has no public signing key of a known kind")
        self._keys = keys
        self._known.clear()

    def takes(self, token: bytes) -> bool:
        """Whether this says that it is of the issuer; others are providers' own business."""
        if not token.startswith(b"eyJ") or token.count(b".") != 2:
            return False
        if hashlib.sha256(token).digest() in self._known:
            return True
        payload = token.split(b".")[1]
        try:
            said = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        except (binascii.Error, ValueError, RecursionError):
            return False
        return isinstance(said, dict) and said.get("iss") == self._issuer

    def agent(self, token: bytes) -> Agent:
        """The agent that the token names. Raises BadToken."""
        digest = hashlib.sha256(token).digest()
        known = self._known.get(digest)
        if known is None:
            known = self._verify(token)
            make_room(self._known, _KNOWN_LIMIT)
            self._known[digest] = known
        if self._clock() > known[0] + _LEEWAY:
            raise BadToken("has expired")
        return known[1]

    def _verify(self, token: bytes) -> tuple[float, Agent]:
        if len(token) > _LONGEST:
            raise BadToken(f"is longer than {_LONGEST} bytes")
        text = token.decode("latin-1")
        try:
            key = self._key(jwt.get_unverified_header(text))
            claims = jwt.decode(
                text,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self._issuer,
                options=_OPTIONS,  # type: ignore[arg-type]
            )
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise BadToken("is not signed by the issuer for this gateway") from None
        if _number(claims.get("nbf"), 0.0) > self._clock() + _LEEWAY:
            raise BadToken("is not valid yet")
        subject = claims.get(self._claim)
        if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_LIMIT or not subject.isprintable():
            raise BadToken(f"does not name an agent in `{self._claim}`")
        return _number(claims["exp"], 0.0), self._agent(subject, claims.get("sub"))

    def _key(self, header: dict[str, Any]) -> jwt.PyJWK:
        keys, kid = self._keys or [], header.get("kid")
        fitting = [key for key in keys if key.key_id == kid] if kid is not None else keys if len(keys) == 1 else []
        if not fitting:
            raise UnknownKey("is signed with a key that the issuer does not show")
        return fitting[0]

    def _agent(self, subject: str, principal: object) -> Agent:
        """Where another claim than `sub` names the agent, `sub` is for whom it works (RFC 8693 section 4.1)."""
        known = isinstance(principal, str) and 0 < len(principal) <= _SUBJECT_LIMIT and principal.isprintable()
        digest = keyed(self._id_key, f"{self._issuer}\x00{subject}".encode())
        return Agent(
            agent_id(digest),
            verified=True,
            name=subject,
            credential_id=credential_id(digest[AGENT_BYTES:]),
            evidence=(Evidence("token", 1.0),),
            principal=str(principal) if known and self._claim != "sub" else None,
        )


def _number(value: object, otherwise: float) -> float:
    """A date (RFC 7519 section 2). Some writers of JSON know more numbers than JSON; with NaN nothing expires."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _NEVER:
        return otherwise
    return float(value)
