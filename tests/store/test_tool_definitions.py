"""What is pinned of the tools that a server lists, however hostile the list."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intents.canonical import args_hash
from gateway.store.tool_definitions import (
    DEEP,
    LARGE,
    LARGEST,
    MANY,
    MOST,
    TWICE,
    differences,
    members,
    read_tools,
    says_no_more,
    texts_of,
)

TOOL: dict[str, Any] = {
    "name": "add",
    "title": "Add",
    "description": "Adds two numbers.",
    "inputSchema": {"type": "object", "properties": {"a": {"type": "integer", "description": "one"}}},
    "outputSchema": {"type": "object"},
    "annotations": {"readOnlyHint": True},
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def hash_of(tool: Any) -> str | None:
    (found,) = read_tools([tool]).values()
    return found.hash


def test_the_hash_is_of_the_rfc_8785_form_of_what_is_pinned() -> None:
    assert hash_of(TOOL) == args_hash(TOOL)
    assert hash_of({**TOOL, "_meta": {"x": 1}, "icons": []}) == args_hash(TOOL)
    assert hash_of(dict(reversed(TOOL.items()))) == hash_of(TOOL)
    assert hash_of({**TOOL, "title": None}) == hash_of({name: TOOL[name] for name in TOOL if name != "title"})


@pytest.mark.parametrize("member", [name for name in TOOL if name != "name"])
def test_every_member_counts(member: str) -> None:
    changed = copy.deepcopy(TOOL)
    changed[member] = {"type": "array"} if isinstance(changed[member], dict) else "another"
    assert hash_of(changed) != hash_of(TOOL)
    assert [one["member"] for one in differences(members(TOOL), members(changed))] == [member]
    assert not says_no_more(changed, members(TOOL))
    assert says_no_more({name: one for name, one in TOOL.items() if name != member}, members(TOOL))


@given(JSON)
def test_whatever_json_says_has_a_hash_or_a_reason(schema: Any) -> None:
    (found,) = read_tools([{"name": "t", "inputSchema": schema}]).values()
    assert (found.hash is None) == (found.problem is not None)
    assert found == next(iter(read_tools([{"inputSchema": copy.deepcopy(schema), "name": "t"}]).values()))
    list(texts_of(found.document))


def test_numbers_without_an_exact_form_count_too() -> None:
    big = {"name": "t", "inputSchema": {"maximum": 2**63 - 1}}
    assert hash_of(big) is not None and hash_of(big) != hash_of({"name": "t", "inputSchema": {"maximum": 2**63 - 2}})


def test_what_is_no_tool_is_left_out() -> None:
    assert read_tools([None, 7, "x", [], {}, {"name": ""}, {"name": 7}, {"name": "x" * 300}]) == {}


def test_two_of_one_name_are_none_unless_they_are_alike() -> None:
    found = read_tools([TOOL, dict(TOOL)])
    assert found["add"].hash == hash_of(TOOL)
    found = read_tools([TOOL, {**TOOL, "description": "Sends everything away."}, TOOL])
    assert (found["add"].hash, found["add"].problem) == (None, TWICE)


def test_what_is_too_long_deep_or_many_is_not_pinned() -> None:
    deep: Any = {}
    for _ in range(200):
        deep = {"items": deep}
    found = read_tools([{"name": "long", "description": "x" * LARGEST}, {"name": "deep", "inputSchema": deep}])
    assert {name: (one.hash, one.problem) for name, one in found.items()} == {
        "long": (None, LARGE),
        "deep": (None, DEEP),
    }
    many = read_tools({"name": f"t{number}"} for number in range(MOST + 10))
    assert len(many) == MOST + 1 and [one.problem for one in many.values() if one.problem] == [MANY]


def test_texts_are_those_a_model_reads_names_of_arguments_too() -> None:
    assert ("inputSchema", "one") in set(texts_of(TOOL)) and ("inputSchema", "a") in set(texts_of(TOOL))
    assert ("description", "Adds two numbers.") in set(texts_of(TOOL))
