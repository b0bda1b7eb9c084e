"""Tokens of an issuer, signed with real keys."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.tokens import BadToken, TokenReader, UnknownKey

NOW = 1_900_000_000.0
ISSUER, AUDIENCE = "https://issuer.example", "leuko"
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def jwk(kid: str, key: Any, algorithm: Any, **members: Any) -> dict[str, Any]:
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **members}


JWKS: dict[str, Any] = {
    "keys": [
        jwk("rsa", RSA, jwt.algorithms.RSAAlgorithm, alg="RS256", use="sig"),
        jwk("ec", EC, jwt.algorithms.ECAlgorithm),
        jwk("ed", ED, jwt.algorithms.OKPAlgorithm),
        jwk("enc", RSA, jwt.algorithms.RSAAlgorithm, use="enc"),
        {"kty": "oct", "kid": "oct", "k": base64.urlsafe_b64encode(b"0" * 32).decode()},
        {"kty": "of tomorrow", "kid": "new"},
    ]
}
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "billing", "exp": NOW + 60}


def token(key: Any = EC, algorithm: str = "ES256", kid: str | None = "ec", **claims: Any) -> bytes:
    said = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return jwt.encode(said, key, algorithm, headers={"kid": kid} if kid else {}).encode()


def reader(now: float = NOW, claim: str = "sub") -> TokenReader:
    made = TokenReader(ISSUER, AUDIENCE, claim, b"secret", clock=lambda: now)
    made.use(JWKS)
    return made


def test_a_good_token_names_its_agent_whichever_key_signed_it() -> None:
    tokens = token(), token(RSA, "RS256", "rsa"), token(ED, "EdDSA", "ed"), token(aud=["other", AUDIENCE], exp=NOW + 99)
    assert all(reader().takes(one) for one in tokens)
    agents = {reader().agent(one) for one in tokens}
    (agent,) = agents
    assert (agent.verified, agent.name, agent.evidence[0].kind) == (True, "billing", "token")
    assert reader().agent(token(sub="other")).agent_id != agent.agent_id
    assert reader(claim="workload").agent(token(workload="billing")).agent_id == agent.agent_id


def test_where_another_claim_names_the_agent_the_subject_is_for_whom_it_works() -> None:
    on_behalf = reader(claim="workload")
    assert on_behalf.agent(token(workload="billing", sub="kim")).principal == "kim"
    assert reader().agent(token(sub="kim")).principal is None
    for odd in (None, "", "k" * 201, "a\nb"):
        assert on_behalf.agent(token(workload="billing", sub=odd)).principal is None


def bad() -> dict[str, bytes]:
    head, payload, signature = token().split(b".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "ec"}).encode()).rstrip(b"=")
    public = json.dumps(JWKS["keys"][1]).encode()
    return {
        "another audience": token(aud="somebody"),
        "no audience": token(aud=None),
        "another issuer": token(iss="https://other.example"),
        "expired": token(exp=NOW - 31),
        "without an end": token(exp=None),
        "of tomorrow": token(nbf=NOW + 31),
        "no subject": token(sub=None),
        "an empty subject": token(sub=""),
        "a subject with a line": token(sub="a\nb"),
        "a long subject": token(sub="x" * 201),
        "a long token": token(more="x" * 16_384),
        "an end that is no number": token(exp=float("nan")),
        "no end": token(exp=float("inf")),
        "an end beyond numbers": token(exp=10**400),
        "unsigned": none + b"." + payload + b".",
        "changed": head + b"." + payload + b"." + signature[:-4] + b"AAAA",
        "another key's": token(ec.generate_private_key(ec.SECP256R1())),
        "another algorithm of the key": token(RSA, "PS256", "rsa"),
        "a shared secret": token("0" * 32, "HS256", "oct"),
        "the public key as a secret": token(base64.b64encode(public).decode(), "HS256", "ec"),
        "a key for encryption": token(RSA, "RS256", "enc"),
        "no key named": token(kid=None),
    }


@pytest.mark.parametrize("name", bad())
def test_a_bad_token_proves_nothing(name: str) -> None:
    shown = bad()[name]
    with pytest.raises(BadToken) as refused:
        reader().agent(shown)
    assert shown.decode() not in str(refused.value)


def test_a_key_that_is_not_known_may_be_a_new_one() -> None:
    with pytest.raises(UnknownKey):
        reader().agent(token(kid="rotated"))


def test_what_is_remembered_still_expires_and_falls_with_its_key() -> None:
    now = [NOW]
    made = TokenReader(ISSUER, AUDIENCE, "sub", b"secret", clock=lambda: now[0])
    assert not made.ready
    made.use(JWKS)
    shown = token()
    assert made.agent(shown) == made.agent(shown)
    made.use({"keys": [JWKS["keys"][0]]})
    with pytest.raises(UnknownKey):
        made.agent(shown)
    made.use(JWKS)
    assert made.agent(shown)
    now[0] += 91
    with pytest.raises(BadToken, match="expired"):
        made.agent(shown)


def test_only_what_says_to_be_of_the_issuer_is_taken() -> None:
    made = reader()
    others = [b"sk-1", b"agk_1", b"eyJ", b"eyJ.x.y", b"eyJ.%%%.y", token(iss="https://other.example"), b"eyJ" * 9_000]
    assert not any(made.takes(other) for other in others)


@pytest.mark.parametrize("jwks", [None, [], {}, {"keys": {}}, {"keys": []}, {"keys": [{"kty": "oct", "k": "AAAA"}]}])
def test_a_set_without_a_key_is_not_used(jwks: object) -> None:
    made = reader()
    with pytest.raises(ValueError, match="is no|has no"):
        made.use(jwks)
    assert made.agent(token())


@given(st.binary(max_size=200))
def test_any_bytes_are_either_not_taken_or_bad(shown: bytes) -> None:
    made = reader()
    for one in (shown, b"eyJ" + shown, token()[:-9] + shown[:9]):
        made.takes(one)
        if one != token():
            with pytest.raises(BadToken):
                made.agent(one)
