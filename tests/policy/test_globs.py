import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.globs import matches


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("sre-*", "sre-1", True),
        ("sre-*", "sre-", True),
        ("sre-*", "xsre-1", False),
        ("*", "", True),
        ("a", "a", True),
        ("a", "ab", False),
        ("a*a", "a", False),
        ("*-prod-*", "x-prod-y", True),
        ("[ab]?", "a1", False),
        ("[ab]?", "[ab]?", True),
    ],
)
def test_a_star_stands_for_any_text_and_all_else_for_itself(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, name) is fits


@given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
def test_it_agrees_with_the_regular_expression(pattern: str, name: str) -> None:
    expression = ".*".join(map(re.escape, pattern.split("*")))
    assert matches(pattern, name) == (re.fullmatch(expression, name) is not None)


def test_a_hostile_pattern_takes_no_time() -> None:
    assert not matches("a*" * 200 + "b", "a" * 20_000)
