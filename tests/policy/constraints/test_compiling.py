from typing import Any

import pytest

from gateway.policy.constraints.compiling import MAKERS, compiled, constraints_in, counts_in
from gateway.policy.constraints.scope import Scope, Where
from gateway.policy.names import Names
from tests.support.policies import Remembered, facts

NAMES = Names(["bank"])
WHERE = Where("ops", "pay", "a", NAMES)


def scope(**known: Any) -> Scope:
    return Scope(facts(**{"memory": Remembered(), **known}), NAMES)


def holds(wanted: Any, value: Any) -> bool:
    return compiled(wanted, WHERE)(value, scope()) is None


def test_the_vocabulary_is_closed() -> None:
    with pytest.raises(ValueError, match="unknown constraints: eval"):
        compiled({"eval": "x"}, WHERE)
    assert len(MAKERS) == 17


@pytest.mark.parametrize(
    ("wanted", "good", "bad"),
    [
        ({}, [1, None, "x"], []),
        ({"const": 1}, [1, 1.0], [True, "1", 2, None, [1]]),
        ({"const": None}, [None], [0, False, ""]),
        ({"const": {"a": [1, {"b": True}]}}, [{"a": [1, {"b": True}]}], [{"a": [1, {"b": 1}]}, {"a": [1]}, {}]),
        ({"enum": ["web", 2, False]}, ["web", 2, False], ["Web", 0, "2", None, ["web"]]),
        ({"type": "string"}, [""], [1, None, []]),
        ({"type": "number"}, [1, 1.5, -2], ["1", True, None]),
        ({"type": "integer"}, [1, 2.0, 10**30], [1.5, True, "1"]),
        ({"type": "boolean"}, [True, False], [0, "true"]),
        ({"type": "array"}, [[]], [{}, "x"]),
        ({"type": "object"}, [{}], [[], "x"]),
        ({"type": "null"}, [None], [0, ""]),
        ({"type": ["string", "null"]}, ["x", None], [1]),
        ({"minimum": 0}, [0, 0.5], [-1, "5", True, None]),
        ({"maximum": 2**53}, [2**53, 5], [2**53 + 1, "5"]),
        ({"min_length": 2}, ["ab", [1, 2]], ["a", [1], 12, {"a": 1, "b": 2}]),
        ({"max_length": 2}, ["ab", [1, 2], ""], ["abc", [1, 2, 3], 1]),
        ({"pattern": "[a-z]+"}, ["abc"], ["abc1", "", "abc\n", 1, None, ["abc"], "\ud800"]),
        ({"pattern": "(?i)é+"}, ["éÉ"], ["e"]),
        ({"not_pattern": "(?i)(password|secret)"}, ["user", 5, None, []], ["dbPassWord", ["x", "my secret"]]),
        ({"not_pattern": "key"}, [{"a": "b"}], [{"key": 1}, {"a": {"b": ["the key"]}}, "\ud800"]),
        ({"not_pattern": "secret"}, ["größe"], ["ｓｅｃｒｅｔ", "se\u200bcret", "sécrét"]),
        ({"not_pattern": "^5$"}, [6], [5]),
        ({"items": {"enum": [1, 2]}}, [[], [1, 2, 1]], [[1, 3], 1, {"a": 1}, "12"]),
        ({"properties": {"a": {"const": 1}, "b": {}}}, [{}, {"a": 1}, {"b": 5}], [{"a": 2}, {"c": 1}, [], "x"]),
        ({"items": {"properties": {"a": {"items": {"maximum": 3}}}}}, [[{"a": [1, 2]}]], [[{"a": [4]}], [{"a": 1}]]),
        ({"type": "number", "minimum": 1, "maximum": 2}, [1, 2], [0, 3, "1"]),
    ],
)
def test_a_value_holds_or_does_not(wanted: Any, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert holds(wanted, value), value
    for value in bad:
        assert not holds(wanted, value), value


def test_what_is_wrong_is_said_so_that_a_model_can_act_on_it() -> None:
    def phrase(wanted: Any, value: Any) -> str | None:
        return compiled(wanted, WHERE)(value, scope())

    assert phrase({"enum": list(range(12))}, "x") == "is not one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …"
    assert phrase({"items": {"minimum": 1}}, [0]) == "has an item that is not a number from 1 up"
    assert phrase({"properties": {"a": {"type": "null"}}}, {"a": 1}) == "has a member `a` that is not of type null"
    assert phrase({"properties": {"a": {}}}, {"b": 1}) == "has a member other than a"


def test_nested_constraints_and_what_they_count_are_found() -> None:
    money = {"value": 5, "per": "day"}
    wanted = {"items": {"properties": {"sum": {"sum_max": money}}}, "max_length": 2}
    assert [name for name, _, _ in constraints_in(wanted, WHERE, Where.inside)] == [
        "items",
        "properties",
        "sum_max",
        "max_length",
    ]
    assert [count.key for count in counts_in(wanted, WHERE)] == ["ops:sum:pay:a.sum"]


def test_amounts_in_one_call_are_added_up_and_counted_last() -> None:
    check = compiled({"sum_max": {"value": 10, "per": "hour"}, "maximum": 6}, WHERE)
    one = scope(memory=Remembered(spent={"ops:sum:pay:a": 1}))
    assert [check(value, one) for value in (7, 5, 4, 0)][1:] == [None, None, None]
    assert check(1, one) == "adds up to more than 10 a hour"
    assert [count.amount for count in one.counts] == [5.0, 4.0, 0.0]
    for strange in (-1, "1", True, None, 10**400):
        assert "number" in str(compiled({"sum_max": {"value": 10, "per": "hour"}}, WHERE)(strange, scope()))
    assert compiled({"sum_max": {"value": 10, "per": "hour"}}, WHERE)(1, scope(memory=None)) is not None
