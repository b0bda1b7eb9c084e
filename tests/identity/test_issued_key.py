"""Keys the gateway issues."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.issued_key import ALPHABET, issue_key, issued_key_id, key_digest

KEY = issue_key("adk", random.Random(1).choice)


def test_a_key_names_its_id() -> None:
    prefix, key_id, rest = KEY.split("_")
    assert (prefix, len(key_id), len(rest)) == ("adk", 8, 38)
    assert issued_key_id(KEY, "adk") == f"adk_{key_id}"


def test_keys_differ() -> None:
    choose = random.Random(2).choice
    assert len({issue_key("agk", choose) for _ in range(100)}) == 100


@given(st.integers(0, len(KEY) - 1), st.sampled_from(ALPHABET + "_é "))
def test_one_wrong_character_is_noticed(at: int, character: str) -> None:
    mistyped = KEY[:at] + character + KEY[at + 1 :]
    assert (issued_key_id(mistyped, "adk") is not None) == (mistyped == KEY)


@given(st.text())
def test_anything_else_is_no_key(text: str) -> None:
    assert issued_key_id(text, "adk") is None


@pytest.mark.parametrize("prefix", ["agk", "igk"])
def test_a_key_of_another_kind_is_not_taken(prefix: str) -> None:
    assert issued_key_id(KEY, prefix) is None


def test_what_is_stored_depends_on_key_and_root() -> None:
    other = issue_key("adk", random.Random(3).choice)
    assert len({key_digest(b"a", KEY), key_digest(b"b", KEY), key_digest(b"a", other)}) == 3
    assert KEY not in key_digest(b"a", KEY)
