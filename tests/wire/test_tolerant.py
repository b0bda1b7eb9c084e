"""Members that may have any type."""

import pytest

from gateway.wire.tolerant import count, text


def test_a_string_is_a_text_and_nothing_else_is() -> None:
    assert [text(value) for value in ("", "a", 1, None, ["a"])] == ["", "a", None, None, None]


@pytest.mark.parametrize("members", [None, [], {}, {"n": None}, {"n": "3"}, {"n": -3}, {"n": 3.0}, {"n": True}])
def test_what_counts_nothing_is_zero(members: object) -> None:
    assert count(members, "n") == 0
    assert count({"n": 3}, "n") == 3
