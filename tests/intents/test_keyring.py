"""The ring of keys, and what it shows of them."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.intents.claims import TokenProblem
from gateway.intents.jws import sign, verified
from gateway.intents.keyring import KeyRing, key_of, thumbprint

KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(3)]
NOW = 1_800_000_000.0


def test_a_key_s_id_is_its_thumbprint() -> None:
    """RFC 8037, appendix A.3."""
    raw = base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    assert thumbprint(Ed25519PublicKey.from_public_bytes(raw)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_the_jwk_set_shows_public_keys_alone_the_current_one_first() -> None:
    ring = KeyRing([key_of(KEYS[0], "retired", NOW), key_of(KEYS[1], "next"), key_of(KEYS[2])])
    shown = ring.jwks()["keys"]
    assert [one["kid"] for one in shown] == [key_of(KEYS[n]).kid for n in (2, 1, 0)]
    assert all(one.keys() == {"crv", "kty", "x", "kid", "alg", "use"} for one in shown)
    assert base64.urlsafe_b64decode(shown[0]["x"] + "=") == KEYS[2].public_key().public_bytes_raw()


@pytest.mark.parametrize("states", [[], ["next"], ["current", "current"]])
def test_one_key_is_current(states: list[str]) -> None:
    with pytest.raises(ValueError, match="one current key"):
        KeyRing(key_of(key, state) for key, state in zip(KEYS, states, strict=False))


def test_a_key_is_in_a_ring_once() -> None:
    with pytest.raises(ValueError, match="each key once"):
        KeyRing([key_of(KEYS[0]), key_of(KEYS[0], "next")])


@pytest.mark.parametrize(("now", "takes"), [(NOW, True), (NOW + 1, False)])
def test_a_retired_key_verifies_until_its_last_token_has_expired(now: float, takes: bool) -> None:
    retired = key_of(KEYS[0], "retired", NOW)
    ring = KeyRing([retired, key_of(KEYS[1])])
    token = sign({"a": 1}, "x+jwt", retired)
    if takes:
        assert verified(token, "x+jwt", ring, now) == {"a": 1}
    else:
        with pytest.raises(TokenProblem, match="bad_signature"):
            verified(token, "x+jwt", ring, now)


def test_the_next_key_verifies_already() -> None:
    """Another replica may have made it the current one a moment before."""
    coming = key_of(KEYS[0], "next")
    ring = KeyRing([coming, key_of(KEYS[1])])
    assert verified(sign({"a": 1}, "x+jwt", coming), "x+jwt", ring, NOW) == {"a": 1}
