"""Whether a token is good now, as of RFC 7662."""

import time
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.edge.agents_api.introspect import Introspection
from gateway.intents.claims import CallClaims, IntentClaims, Step, TokenProblem
from gateway.intents.keyring import KeyRing, key_of
from gateway.intents.tokens import Verifier, mint_call, mint_intent
from gateway.store.intent_uses import Used

RING = KeyRing([key_of(Ed25519PrivateKey.generate())])
NOW = int(time.time())


class Intents:
    def __init__(self, counts: Mapping[str, int] | None = None, revoked: bool = False, lost: bool = False) -> None:
        self.counts, self.revoked, self.lost = counts or {"s1": 0}, revoked, lost

    def is_revoked(self, claims: IntentClaims) -> bool:
        return self.revoked

    async def used(self, claims: IntentClaims) -> Used:
        if self.lost:
            raise TokenProblem("revoked", "its uses are not known any more")
        return Used(self.counts, {})


def over(intents: Intents | None = None) -> Introspection:
    verifier = Verifier(lambda: RING, "leuko", "leuko")
    return Introspection(verifier, intents or Intents(), issuer="leuko", clock=lambda: NOW)  # type: ignore[arg-type]


def intent(issued: int = NOW) -> str:
    claims = IntentClaims("int_1", "agt_1", "kim", (Step("s1", "read"),), issued, issued + 60, issued, policy="p")
    return mint_intent(claims, RING.current, "leuko", "leuko")


def call(**changes: Any) -> str:
    members = {"audience": "cloud", "issued": NOW, "expires": NOW + 60, **changes}
    claims = CallClaims(
        "cal_1", "agt_1", tool="read", call_id="c1", args_hash="h", intent=None, tdef=None, decision="dec_1", **members
    )
    return mint_call(claims, RING.current, "leuko")


async def test_a_good_intent_says_what_it_covers_and_how_much_was_used() -> None:
    said = await over().of(intent())
    assert (said["active"], said["token_type"], said["jti"], said["sub"]) == (True, "intent+jwt", "int_1", "kim")
    assert said["uses"] == {"s1": 0} and said["exp"] == NOW + 60


async def test_a_good_call_token_says_which_call_it_is_for() -> None:
    said = await over().of(call())
    assert (said["active"], said["token_type"], said["tool"], said["aud"]) == (True, "call+jwt", "read", "cloud")


@pytest.mark.parametrize(
    "intents", [Intents({"s1": 1}), Intents(revoked=True), Intents(lost=True)], ids=["exhausted", "revoked", "lost"]
)
async def test_an_intent_that_is_good_no_more_is_not_active(intents: Intents) -> None:
    assert await over(intents).of(intent()) == {"active": False}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "....",
        intent()[:-3],
        intent(NOW - 100),
        call(issued=NOW - 90, expires=NOW - 30),
        "e30.e30.e30",
    ],
)
async def test_nothing_is_said_of_what_is_no_good_token(token: str) -> None:
    assert await over().of(token) == {"active": False}
