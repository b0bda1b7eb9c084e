"""Values: what they have of a frozen dataclass."""

from dataclasses import field, replace

import pytest

from gateway.model.value import value


@value
class Point:
    x: int
    y: int = 0
    names: tuple[str, ...] = field(default=())


def test_equal_values_are_one_key() -> None:
    assert Point(1) == Point(1, 0)
    assert {Point(1): "a"}[Point(1, 0)] == "a"
    assert Point(1) != Point(2)


def test_a_value_is_changed_by_making_another_one() -> None:
    assert replace(Point(1), y=2) == Point(1, 2)


def test_a_value_has_no_other_members_than_those_it_declares() -> None:
    with pytest.raises(AttributeError):
        Point(1).z = 3  # type: ignore[attr-defined]
