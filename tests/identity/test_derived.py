"""Derived ids never change: agents would lose their past."""

from gateway.identity.derived import agent_id, credential_id, keyed, subkey


def test_a_keyed_hash_is_hmac_sha_256() -> None:
    # RFC 4231 section 4.3
    found = keyed(b"Jefe", b"what do ya want for nothing?").hex()
    assert found == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_a_subkey_is_one_block_of_hkdf_expand() -> None:
    assert subkey(b"secret", "leuko/credential/1") == keyed(b"secret", b"leuko/credential/1\x01")
    assert subkey(b"secret", "leuko/credential/1") != subkey(b"secret", "leuko/agent-form/1")


def test_ids_are_made_of_the_first_bytes() -> None:
    digest = bytes(range(32))
    assert agent_id(digest) == "agt_AAAQEAYEAUDAOCAJBIFQYDIO"
    assert credential_id(digest) == "crd_000102030405060708090a0b"
