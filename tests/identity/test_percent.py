"""Text that was encoded more than once."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.percent import fully_decoded


@given(st.text(max_size=50), st.integers(0, 8))
def test_what_was_encoded_a_few_times_is_found(text: str, times: int) -> None:
    encoded = text.replace("%", "")
    for _ in range(times):
        encoded = quote(encoded, safe="")
    assert fully_decoded(encoded.encode()) == text.replace("%", "").encode()


def test_every_character_may_be_encoded() -> None:
    assert fully_decoded(b"".join(b"%%25%02X" % byte for byte in b"agk_1")) == b"agk_1"


@pytest.mark.parametrize("text", [b"", b"plain", b"100%", b"%zz", b"%%"])
def test_what_is_not_encoded_stays(text: bytes) -> None:
    assert fully_decoded(text) == text


def test_endless_encoding_is_not_followed() -> None:
    assert fully_decoded(b"%" + b"25" * 7 + b"41") == b"A"
    assert fully_decoded(b"%" + b"25" * 8 + b"41") is None
    assert fully_decoded(b"%" + b"25" * 30_000) is None
