"""Governed members have one type; a wrong one is named by its path."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.model.errors import UnreadableRequest
from gateway.wire import governed


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (governed.text, "a", "a"),
        (governed.text, None, None),
        (governed.flag, True, True),
        (governed.flag, False, False),
        (governed.flag, None, False),
        (governed.count, 3, 3),
        (governed.count, 3.0, 3),
        (governed.count, None, None),
        (governed.mapping, {"a": 1}, {"a": 1}),
        (governed.mapping, None, {}),
        (governed.mappings, [{}], [{}]),
        (governed.mappings, None, []),
        (governed.required_text, "a", "a"),
    ],
)
def test_the_right_type_is_read(read: Callable[..., Any], value: Any, expected: Any) -> None:
    assert read({"key": value}, "key") == expected


@pytest.mark.parametrize(
    ("read", "value", "param", "said"),
    [
        (governed.text, 1, "at.key", "a string, not a number"),
        (governed.text, [], "at.key", "a string, not an array"),
        (governed.flag, "true", "at.key", "a boolean, not a string"),
        (governed.flag, 1, "at.key", "a boolean, not a number"),
        (governed.count, True, "at.key", "a whole number, not a boolean"),
        (governed.count, 1.5, "at.key", "a whole number, not a number"),
        (governed.mapping, [], "at.key", "an object, not an array"),
        (governed.mappings, {}, "at.key", "an array, not an object"),
        (governed.mappings, [{}, None], "at.key[1]", "an object, not null"),
        (governed.required_text, "", "at.key", "a string that is not empty"),
        (governed.required_text, None, "at.key", "a string that is not empty"),
    ],
)
def test_a_wrong_type_is_refused_by_its_path(read: Callable[..., Any], value: Any, param: str, said: str) -> None:
    with pytest.raises(UnreadableRequest) as caught:
        read({"key": value}, "key", "at.")
    assert caught.value.param == param
    assert f"{param} must be {said}" in caught.value.message


def test_a_model_may_be_absent_but_not_anything_else() -> None:
    assert governed.model({}) is None
    assert governed.model({"model": "m"}) == "m"
    for value in (None, "", 1, ["m"]):
        with pytest.raises(UnreadableRequest):
            governed.model({"model": value})
