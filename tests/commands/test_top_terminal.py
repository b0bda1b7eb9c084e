"""Keys as terminals send them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.top_terminal import keys_of


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"qQ", ["q", "Q"]),
        (b"\x1b[A\x1bOB\x1b[5~\x1b[6~", ["up", "down", "page up", "page down"]),
        (b"\t\r\x1b", ["tab", "enter", "escape"]),
        (b"\x03", ["q"]),
        (b"\x1b[1;5C\x1b[15~y", ["y"]),  # combinations and function keys mean nothing here
        (b"\x1b[", []),
        ("é你".encode(), []),
        (b"\x1b[200~y\x1b[201~", ["y"]),
        (b"", []),
    ],
)
def test_keys_are_told_apart(typed: bytes, keys: list[str]) -> None:
    assert keys_of(typed) == keys


@given(st.binary(max_size=50))
def test_whatever_is_typed_comes_to_an_end(typed: bytes) -> None:
    assert len(keys_of(typed)) <= len(typed)
