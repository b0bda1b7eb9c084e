"""What lasts of a prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.prompt import lasting

SAME = [
    ("Today is Friday, November 21st, 2026.", "Today is Monday, May 3rd, 2027."),
    ("It is 2026-11-21T14:05:33Z now", "It is 2027-01-02T03:04:05Z now"),
    ("You work in /home/alice/project.", "You work in /srv/bob"),
    ("cwd: C:\\Users\\Bob", "cwd: D:\\Work"),
    ("Session 8f3a2c1b-77aa-4bcd-9e10-112233445566", "Session 00aa2c1b-0000-4bcd-9e10-aabbccddeeff"),
    ("Agent agent-42 has 3 tasks", "Agent agent-7 has 12 tasks"),
    ("See https://a.example/x?y=1", "See https://b.example/2"),
    ("one\n\n  two", "one two"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_changes_by_itself_does_not_count(one: str, other: str) -> None:
    assert lasting(one) == lasting(other) != ""


@pytest.mark.parametrize(
    ("one", "other"), [("You help.", "You attack."), ("Read and/or write", "Read"), ("a/b", "c/d")]
)
def test_what_somebody_wrote_counts(one: str, other: str) -> None:
    assert lasting(one) != lasting(other)


@given(text=st.text())
def test_no_digit_and_no_white_space_but_single_spaces_stay(text: str) -> None:
    left = lasting(text)
    assert "  " not in left and left == left.strip()
    assert not any(character in "0123456789" for character in left)
