"""The tool servers' reader of tokens refuses what the gateway's own refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intents import jws as intents_jws
from gateway.intents.claims import TokenProblem
from gateway.intents.jws import verified
from gateway.intents.keyring import KeyRing
from gateway.intents.tokens import INTENT
from gateway.sdk.jws import InvalidCall, Token, public_keys, read_object
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


_texts = st.text('{}[]",:01e.-+ntfau\\\ud800é ', max_size=12)


@given(st.tuples(_texts, _texts).map(lambda pair: f'{{"a":{pair[0]},"b":[{pair[1]}]}}') | _texts)
def test_both_readers_read_json_alike(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    try:
        found = intents_jws.read_object(raw, "payload")
    except TokenProblem:
        with pytest.raises(InvalidCall):
            read_object(raw)
    else:
        assert read_object(raw) == found


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
