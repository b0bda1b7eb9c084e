"""Secrets that lie in Redis."""

import os

import pytest

from gateway.store.sealed import Seal, derived_key


def test_what_is_sealed_comes_back_in_its_own_context_only() -> None:
    seal = Seal(b"root", "provider keys", os.urandom)
    sealed = seal.seal(b"sk-123", "azure")
    assert "sk-123" not in sealed and seal.seal(b"sk-123", "azure") != sealed
    assert seal.open(sealed, "azure") == b"sk-123"
    for other, context in [
        (seal, "openai"),
        (Seal(b"other", "provider keys", os.urandom), "azure"),
        (Seal(b"root", "signing", os.urandom), "azure"),
    ]:
        with pytest.raises(ValueError, match="GATEWAY_SECRET"):
            other.open(sealed, context)


@pytest.mark.parametrize("text", ["", "x", "é", "AAAA", "A" * 64])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not sealed here"):
        Seal(b"root", "p", os.urandom).open(text, "azure")


def test_each_purpose_has_its_key() -> None:
    assert len({derived_key(b"a", "x"), derived_key(b"a", "y"), derived_key(b"b", "x")}) == 3
