"""What counts as tighter: never more than is let through, and yet what people will ask for."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.constraints.compiling import MAKERS, compiled
from gateway.policy.constraints.scope import Where
from gateway.policy.constraints.tighter import tighter
from tests.policy.constraints import vocabulary
from tests.policy.constraints.vocabulary import NAMES, VALUES, constraints, demand_of, narrowed, scopes

WHERE = Where("ops", "pay", "a", NAMES)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_what_passes_tighter_constraints_passes_the_others(name: str, data: st.DataObject) -> None:
    parent = {name: data.draw(demand_of(name))}
    if data.draw(st.booleans()):
        parent |= data.draw(constraints)
    child = data.draw(narrowed(parent))
    if tighter(child, parent):
        fresh = data.draw(scopes)
        narrow, wide = compiled(child, WHERE), compiled(parent, WHERE)
        for value in (*VALUES, *_named_in(child), *_named_in(parent)):
            if narrow(value, fresh()) is None:
                assert wide(value, fresh()) is None, (child, parent, value)


def _named_in(demands: Any) -> list[Any]:
    """Every value that constraints spell out, alone and in a list."""
    found = [demands["const"]] if "const" in demands else []
    found += demands.get("enum", [])
    found += [
        number + by
        for name in ("minimum", "maximum")
        if name in demands
        for number in (demands[name],)
        for by in (-1, 0, 1)
    ]
    if "items" in demands:
        found += [[one] for one in _named_in(demands["items"])]
    for member, inner in demands.get("properties", {}).items():
        found += [{member: one} for one in _named_in(inner)]
    return found


@pytest.mark.parametrize("name", MAKERS)
def test_no_demands_are_never_tighter_than_one_and_every_demand_is_as_tight_as_itself(name: str) -> None:
    demand = {
        "const": 1, "enum": [1], "type": "string", "minimum": 0, "maximum": 1, "min_length": 1, "max_length": 1,
        "pattern": "a", "not_pattern": "a", "path_in": ["/sim/**"], "host_in": ["a.com"], "command": {"allow": ["ls"]},
        "provenance": ["user"], "from_step": {"tool": "t", "path": "$.a"}, "sum_max": {"value": 1, "per": "day"},
        "items": {"const": 1}, "properties": {"a": {"const": 1}},
    }[name]  # fmt: skip
    assert not tighter({}, {name: demand})
    assert not tighter({"not_pattern": "nothing like it"}, {name: demand})
    assert tighter({name: demand}, {name: demand})
    assert tighter({name: demand, "type": "string"}, {})


COMMAND = {"allow": ["cat", "ls"], "paths": ["/sim/**"]}
PAIRS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"const": "a"}, {"enum": ["a", "b"]}, True),
    ({"const": "c"}, {"enum": ["a", "b"]}, False),
    ({"enum": ["a"]}, {"const": "a"}, True),
    ({"enum": ["a", "b"]}, {"const": "a"}, False),
    ({"const": True}, {"const": 1}, False),
    ({"const": 5}, {"type": "number", "minimum": 1, "maximum": 9}, True),
    ({"const": 10}, {"maximum": 9}, False),
    ({"const": "/sim/a"}, {"path_in": ["/sim/**"]}, True),
    ({"const": "/sim/../etc"}, {"path_in": ["/sim/**"]}, False),
    ({"const": "https://a.com/"}, {"host_in": ["a.com"]}, True),
    ({"const": "https://a.com@b.com/"}, {"host_in": ["a.com"]}, False),
    ({"const": "abc"}, {"pattern": "[a-c]+"}, True),
    ({"const": "abd"}, {"pattern": "[a-c]+"}, False),
    ({"const": "key"}, {"not_pattern": "secret"}, True),
    ({"const": {"a": ["key", True]}}, {"not_pattern": "secret"}, True),
    ({"const": 1}, {"not_pattern": r"\."}, False),
    ({"const": {"a": [1]}}, {"not_pattern": r"\."}, False),
    ({"const": [1, 2]}, {"items": {"maximum": 2}}, True),
    ({"const": {"a": 1}}, {"properties": {"a": {"type": "integer"}}}, True),
    ({"const": {"b": 1}}, {"properties": {"a": {}}}, False),
    ({"const": "ada"}, {"provenance": ["user"]}, False),
    ({"const": ["x"]}, {"items": {"provenance": ["user"]}}, False),
    ({"const": 5}, {"sum_max": {"value": 10, "per": "day"}}, False),
    ({"const": "cat /sim/a"}, {"command": COMMAND}, False),  # as a program it is none
    ({"type": "integer"}, {"type": "number"}, True),
    ({"type": "number"}, {"type": "integer"}, False),
    ({"type": ["string", "null"]}, {"type": ["null", "string", "array"]}, True),
    ({"minimum": 3}, {"type": "number"}, True),
    ({"pattern": "a"}, {"type": "string"}, True),
    ({"min_length": 1}, {"type": "string"}, False),
    ({"min_length": 1}, {"type": ["array", "string"]}, True),
    ({"host_in": ["a.com"]}, {"type": ["array", "string"]}, True),
    ({"items": {}}, {"type": "array"}, True),
    ({"properties": {}}, {"type": "object"}, True),
    ({"sum_max": {"value": 1, "per": "day"}}, {"type": "number"}, True),
    ({"command": COMMAND}, {"type": "string"}, False),
    ({"minimum": 2}, {"minimum": 1}, True),
    ({"minimum": 1}, {"minimum": 2}, False),
    ({"minimum": 2**53 + 1}, {"minimum": 2.0**53}, True),
    ({"maximum": 2}, {"maximum": 2.5}, True),
    ({"maximum": 3}, {"maximum": 2.5}, False),
    ({"min_length": 2}, {"min_length": 1}, True),
    ({"max_length": 2}, {"max_length": 1}, False),
    ({"pattern": "a"}, {"pattern": "a|b"}, False),  # nobody here can tell
    ({"path_in": ["/sim/a"]}, {"path_in": ["/sim/**"]}, True),
    ({"path_in": ["/sim/a", "/etc/**"]}, {"path_in": ["/sim/**"]}, False),
    ({"path_in": ["/sim/a", "/etc/**"]}, {"path_in": ["/sim/**", "/etc/**", "/x"]}, True),
    ({"host_in": ["b.a.com", "*.c.a.com"]}, {"host_in": ["*.a.com"]}, True),
    ({"host_in": ["a.com"]}, {"host_in": ["*.a.com"]}, False),
    ({"host_in": ["*.com"]}, {"host_in": ["*.a.com"]}, False),
    ({"host_in": ["*.a.com"]}, {"host_in": ["a.com"]}, False),
    ({"host_in": ["A.COM"]}, {"host_in": ["a.com"]}, True),
    ({"host_in": ["0:0::1"]}, {"host_in": ["::1"]}, True),
    ({"host_in": ["evila.com"]}, {"host_in": ["*.a.com", "a.com"]}, False),
    ({"command": {"allow": ["cat"], "paths": ["/sim/logs/**"]}}, {"command": COMMAND}, True),
    ({"command": {"allow": ["cat"]}}, {"command": COMMAND}, False),
    ({"command": {"allow": ["cat"], "paths": ["/**"]}}, {"command": COMMAND}, False),
    ({"command": {"allow": ["cat"], "paths": ["/sim"]}}, {"command": COMMAND}, False),  # the directory itself
    ({"command": {"allow": ["cat", "rm"], "paths": ["/sim/**"]}}, {"command": COMMAND}, False),
    ({"command": COMMAND}, {"command": {"allow": ["ls", "cat", "rm"]}}, True),
    ({"provenance": ["user"]}, {"provenance": ["model", "user"]}, True),
    ({"provenance": ["user", "untrusted"]}, {"provenance": ["model", "user"]}, False),
    ({"from_step": {"tool": "t", "path": "$.a"}}, {"from_step": {"tool": "t", "path": "$.b"}}, False),
    ({"sum_max": {"value": 1, "per": "day"}}, {"sum_max": {"value": 2, "per": "day"}}, True),
    ({"sum_max": {"value": 3, "per": "day"}}, {"sum_max": {"value": 2, "per": "day"}}, False),
    ({"sum_max": {"value": 1, "per": "hour"}}, {"sum_max": {"value": 2, "per": "day"}}, False),
    ({"items": {"const": 1}}, {"items": {"type": "integer"}}, True),
    ({"items": {}}, {"items": {"type": "integer"}}, False),
    ({"properties": {"a": {"const": 1}}}, {"properties": {"a": {"type": "integer"}, "b": {}}}, True),
    ({"properties": {"a": {}, "c": {}}}, {"properties": {"a": {}, "b": {}}}, False),
    ({"properties": {"a": {}}}, {"properties": {"a": {"const": 1}}}, False),
    ({"eval": "x"}, {}, False),
    ({}, {"eval": "x"}, False),
    ({}, {}, True),
]  # fmt: skip


@pytest.mark.parametrize(("child", "parent", "wanted"), PAIRS)
def test_what_is_tighter(child: dict[str, Any], parent: dict[str, Any], wanted: bool) -> None:
    assert tighter(child, parent) is wanted


def test_no_pair_of_the_table_s_constraints_is_taken_for_tighter_that_lets_more_through() -> None:
    every = [one for child, parent, _ in PAIRS for one in (child, parent) if "eval" not in one]
    passing = [[_passes(one, value, program) for value in VALUES for program in (False, True)] for one in every]
    for child, narrow in zip(every, passing, strict=True):
        for parent, wide in zip(every, passing, strict=True):
            if tighter(child, parent):
                assert all(wider for narrower, wider in zip(narrow, wide, strict=True) if narrower), (child, parent)


def _passes(demands: Any, value: Any, program: bool) -> bool:
    return compiled(demands, WHERE)(value, vocabulary.scope(program=program)) is None


@settings(max_examples=300, deadline=None)
@given(constraints)
def test_everything_is_as_tight_as_itself(demands: dict[str, Any]) -> None:
    assert tighter(demands, demands)
