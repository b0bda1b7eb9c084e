import datetime
import re
from typing import Any

import pytest

from gateway.policy.errors import PolicyError
from gateway.policy.parsing.place import Place
from gateway.policy.parsing.values import json_value, pattern

HERE = Place("ops.yaml", "x")


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [None, True, 0, 1.5, 10**299, "", "text", [], [1, [None]], {"a": {"b": [1]}}, nested(19)]
)
def test_what_json_has_is_taken_as_it_is(value: object) -> None:
    assert json_value(HERE, value) == value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (datetime.date(2026, 1, 2), "x: is a date; allowed: what JSON can hold"),
        ([b"x"], "x[0]: is a bytes"),
        ({"a": {1, 2}}, "x.a: is a set"),
        ({"a": [float("nan")]}, "x.a[0]: is nan; allowed: a number"),
        ({3: 1}, "x.3: is not a name"),
        (nested(20), "has more than 20 levels"),
    ],
)
def test_what_json_cannot_hold_is_refused(value: object, says: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(says)):
        json_value(HERE, value)


@pytest.mark.parametrize("written", ["a", "(?i)(password|token)", r"\p{L}+", "^x$", "(a+)+$"])
def test_patterns_of_re2_are_taken(written: str) -> None:
    assert pattern(HERE, written) == written


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("(", "x: is '(', no pattern of RE2: missing ): ("),
        ("(?=a)", "no pattern of RE2: invalid perl operator: (?="),
        (r"(a)\1", r"no pattern of RE2: invalid escape sequence: \1"),
        ("((a{100}){100}){100}", "no pattern of RE2"),
        ("", "x: is ''; allowed: up to 2000"),
        (3, "x: is 3; allowed"),
    ],
)
def test_what_could_take_long_or_means_nothing_is_refused(
    written: object, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PolicyError, match=re.escape(says)):
        pattern(HERE, written)
    assert capfd.readouterr().err == ""
