"""The tool servers' reader of tokens refuses what the gateway's own refuses."""

import pytest

from gateway.intents.claims import TokenProblem
from gateway.intents.jws import verified
from gateway.intents.keyring import KeyRing
from gateway.intents.tokens import INTENT
from gateway.sdk.jws import InvalidCall, Token, public_keys
from tests.intents.test_jws import GOOD, HOSTILE, JWK, NOW, SIGNER

RING = KeyRing([SIGNER])
KEYS = public_keys(RING.jwks())


@pytest.mark.parametrize("name", HOSTILE)
def test_both_readers_refuse_the_same(name: str) -> None:
    token, _ = HOSTILE[name]
    try:
        said = verified(token, INTENT, RING, NOW)
    except TokenProblem:
        with pytest.raises(InvalidCall) as caught:
            Token(token, INTENT).claims(KEYS)
        assert caught.value.word in ("malformed", "bad_signature")
    else:
        assert Token(token, INTENT).claims(KEYS) == said


def test_a_good_token_is_read() -> None:
    assert Token(GOOD, INTENT).claims(KEYS)["jti"] == "int_1"


@pytest.mark.parametrize(
    "member",
    [
        {},
        "key",
        JWK,
        JWK | {"kid": 1},
        JWK | {"kid": "a", "x": 1},
        JWK | {"kid": "a", "x": "AAAA"},
        JWK | {"kid": "a", "x": "é"},
        JWK | {"kid": "a", "use": "enc"},
        JWK | {"kid": "a", "kty": "EC"},
        JWK | {"kid": "a", "crv": "X25519"},
    ],
)
def test_what_is_no_key_of_ours_is_left_out_of_a_set(member: object) -> None:
    assert public_keys({"keys": [member]}) == {}
