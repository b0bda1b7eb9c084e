"""What becomes of tokens while the issuer's keys come and go."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.identity.tokens import TokenReader
from gateway.model.errors import Refusal
from gateway.phases.tokens import IssuerTokens

KEYS = {kid: ec.generate_private_key(ec.SECP256R1()) for kid in ("old", "new")}


def jwks(*kids: str) -> dict[str, object]:
    to_jwk = jwt.algorithms.ECAlgorithm.to_jwk
    return {"keys": [{**to_jwk(KEYS[kid].public_key(), as_dict=True), "kid": kid} for kid in kids]}


def token(kid: str) -> bytes:
    claims = {"iss": "i", "aud": "a", "sub": "billing", "exp": 100}
    return jwt.encode(claims, KEYS[kid], "ES256", headers={"kid": kid}).encode()


class Issuer:
    """Shows these keys when it is asked; `asks` says how often it was."""

    def __init__(self, *kids: str) -> None:
        self.kids = kids
        self.asks = 0
        self.reader = TokenReader("i", "a", "sub", b"secret", clock=lambda: 0.0)
        self.tokens = IssuerTokens(self.reader, self.refresh)
        self.may_ask = True

    async def refresh(self) -> bool:
        if self.may_ask:
            self.asks += 1
            if self.kids:
                self.reader.use(jwks(*self.kids))
        return self.may_ask

    async def refusal(self, shown: bytes) -> str:
        with pytest.raises(Refusal) as refused:
            await self.tokens.agent(shown)
        return refused.value.code


async def test_keys_are_asked_for_when_they_are_first_needed_and_when_one_is_new() -> None:
    issuer = Issuer("old")
    assert issuer.tokens.takes(token("old"))
    assert (await issuer.tokens.agent(token("old"))).name == "billing"
    assert (await issuer.tokens.agent(token("old"))).name == "billing"
    assert issuer.asks == 1
    issuer.kids = ("old", "new")
    assert (await issuer.tokens.agent(token("new"))).name == "billing"
    assert issuer.asks == 2


async def test_a_bad_token_is_a_401_and_keys_that_cannot_be_had_never() -> None:
    issuer = Issuer()
    assert await issuer.refusal(token("old")) == "state_unavailable"
    issuer.kids = ("old",)
    assert await issuer.refusal(token("new")) == "invalid_api_key"
    issuer.may_ask = False
    assert await issuer.refusal(token("new")) == "invalid_api_key"
