"""Intent and call tokens: written, and verified.

A token is verified against our own ring alone; nothing is ever fetched because of one. Whether it was revoked, and how
often its steps were used, is known elsewhere.
"""

import base64
import binascii
import json
from collections.abc import Callable

from gateway.intents.canonical import canonical
from gateway.intents.claims import CallClaims, IntentClaims, TokenProblem
from gateway.intents.jws import read_object, sign, verified
from gateway.intents.keyring import Key, KeyRing
from gateway.intents.payload import of_call, of_intent, read_call, read_intent

INTENT = "intent+jwt"
CALL = "call+jwt"
LEEWAY = 5.0
"""Seconds by which two clocks may differ."""


def mint_intent(claims: IntentClaims, key: Key, issuer: str, audience: str) -> str:
    """The token. Raises ValueError for claims that no verifier would take, and for a token of more than 8 kB."""
    return _minted(of_intent(claims, issuer, audience), INTENT, key, lambda said: read_intent(said, issuer, audience))


def mint_call(claims: CallClaims, key: Key, issuer: str) -> str:
    """The token. Raises ValueError for claims that no verifier would take, and for a token of more than 8 kB."""
    return _minted(of_call(claims, issuer), CALL, key, lambda said: read_call(said, issuer, claims.audience))


def stated_audience(token: str) -> str:
    """Whom a token says it is for, so that the right thing is asked of it; nothing is believed because of it. Empty
    for what cannot be read."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return ""
    audience = said.get("aud") if isinstance(said, dict) else None
    return audience if isinstance(audience, str) else ""


def _minted(payload: dict[str, object], typ: str, key: Key, read: Callable[[dict[str, object]], object]) -> str:
    token = sign(payload, typ, key)
    try:
        read(read_object(canonical(payload), "payload"))  # large doubles have a form, but not one that is read exactly
    except TokenProblem as problem:
        raise ValueError(problem.detail) from None
    return token


class Verifier:
    """Takes tokens of one issuer.

    Args:
        ring: the keys in force, asked at each token.
        issuer: `iss`, exactly.
        audience: `aud` of intents, exactly: this gateway.
        leeway: seconds by which clocks may differ.
    """

    def __init__(self, ring: Callable[[], KeyRing], issuer: str, audience: str, leeway: float = LEEWAY) -> None:
        self._ring = ring
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway

    def intent(self, token: bytes | str, now: float, agent_id: str | None = None) -> IntentClaims:
        """What an intent token says. Raises TokenProblem.

        Args:
            now: seconds since the epoch.
            agent_id: who presents it; None where it is only looked at.
        """
        claims = read_intent(verified(token, INTENT, self._ring(), now - self._leeway), self._issuer, self._audience)
        self.check(claims, now, agent_id)
        return claims

    def call(self, token: bytes | str, now: float, audience: str, agent_id: str | None = None) -> CallClaims:
        """What a call token for `audience` says. Raises TokenProblem."""
        claims = read_call(verified(token, CALL, self._ring(), now - self._leeway), self._issuer, audience)
        self._in_time(claims.issued, claims.expires, now)
        self._of_agent(claims.agent_id, agent_id)
        return claims

    def check(self, claims: IntentClaims, now: float, agent_id: str | None) -> None:
        """What can change about a token that was verified before: time, and who presents it. Raises TokenProblem."""
        self._in_time(max(claims.issued, claims.not_before), claims.expires, now)
        self._of_agent(claims.agent_id, agent_id)

    def _in_time(self, begins: float, expires: float, now: float) -> None:
        if now < begins - self._leeway:
            raise TokenProblem("not_yet_valid", "it is not valid yet")
        if now >= expires + self._leeway:
            raise TokenProblem("expired", "it has expired")

    def _of_agent(self, bound: str, presenting: str | None) -> None:
        if presenting is not None and presenting != bound:
            raise TokenProblem("wrong_agent", "it was given to another agent")
