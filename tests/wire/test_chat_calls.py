"""Calls from messages and from fragments: one reading, or a problem."""

from typing import Any

import pytest

from gateway.model.tool_call import ToolCall
from gateway.wire.chat_calls import CallsInParts, whole_calls


def entry(index: Any = 0, **members: Any) -> dict[str, Any]:
    """An entry of a delta's `tool_calls`; `name` and `arguments` go into its function."""
    function = {key: members.pop(key) for key in ("name", "arguments") if key in members}
    made = {"index": index, **members}
    if index is None:
        del made["index"]
    return made | ({"function": function} if function else {})


def assemble(*entries: Any) -> list[ToolCall]:
    calls = CallsInParts()
    for one in entries:
        calls.add({"tool_calls": [one]})
    return calls.build(0)


def test_fragments_of_interleaving_calls_are_joined() -> None:
    calls = assemble(
        entry(0, id="a", type="function", name="get", arguments=""),
        entry(1, id="b", type="function", name="put", arguments='{"x'),
        entry(0, arguments='{"y"'),
        entry(1, arguments='":1}'),
        entry(0, arguments=":2}"),
    )
    assert calls == [
        ToolCall("get", "function", '{"y":2}', {"y": 2}, None, "a"),
        ToolCall("put", "function", '{"x":1}', {"x": 1}, None, "b"),
    ]


def test_the_characters_a_model_wrote_are_counted() -> None:
    calls = CallsInParts()
    assert calls.add({"tool_calls": [entry(0, name="get", arguments="abc"), entry(1, arguments="de"), None]}) == 5
    assert calls.add({"function_call": {"arguments": "f"}}) == 1
    assert calls.add({"tool_calls": [entry(0, arguments=None)]}) == 0


@pytest.mark.parametrize(
    "entries",
    [
        [entry(0, id="a", name="get", arguments="{}")],
        [entry(0, id="a", name="get"), entry(0, id="a", name="get", arguments="{}")],
        [entry(0, id="a", type="function", name="ge"), entry(0, name="t"), entry(0, arguments="{}")],
        [entry(0, id="a", type="function", name="get"), entry(0, id="a", type="function", name="", arguments="{}")],
        [entry(0, name="get"), entry(0, id="a", arguments="{}")],
        [entry(None, id="a", name="get"), entry(None, arguments="{}")],
        [entry(None, id="a", name="get"), entry(None, id="a", arguments="{}")],
        [entry(0, id="a", name="get", arguments=None), entry(0, id="", type=None, arguments="{}")],
    ],
)
def test_the_habits_of_providers_are_understood(entries: list[Any]) -> None:
    assert assemble(*entries) == [ToolCall("get", "function", "{}", {}, None, "a")]


def test_an_index_used_again_with_another_id_is_another_call() -> None:
    calls = assemble(entry(0, id="a", name="get", arguments="{}"), entry(0, id="b", name="put", arguments='{"x":1}'))
    assert [(call.id, call.name, call.problem) for call in calls] == [("a", "get", None), ("b", "put", None)]


def test_calls_without_index_are_told_apart_by_their_ids() -> None:
    calls = assemble(
        entry(None, id="a", name="get"), entry(None, id="b", name="put"), entry(None, id="a", arguments="{}")
    )
    assert [(call.id, call.arguments, call.problem) for call in calls] == [("a", "{}", None), ("b", "", None)]


def test_a_custom_tool_gets_its_text() -> None:
    calls = assemble(
        {"index": 0, "id": "a", "type": "custom", "custom": {"name": "run", "input": ""}},
        {"index": 0, "custom": {"input": "SELECT {"}},
    )
    assert calls == [ToolCall("run", "custom", "SELECT {", "SELECT {", None, "a")]


def test_a_type_nobody_knows_is_named_by_itself() -> None:
    item = {"index": 0, "id": "a", "type": "new_kind", "new_kind": {"x": 1}}
    (call,) = assemble(item)
    assert (call.name, call.kind, call.parsed, call.problem) == ("new_kind", "new_kind", item, None)
    (call,) = assemble(item, {"index": 0, "new_kind": {"y": 1}})
    assert call.problem is not None


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([entry(0, id="a", arguments="{}")], "it has no name"),
        ([entry(0, id="a", name="", arguments="{}")], "it has no name"),
        ([entry(0, id="a", name="get", arguments='{"x":')], "its arguments are not valid JSON"),
        ([entry(0, id="a", name="get", arguments='{"x":1,"x":2}')], "its arguments name a key twice"),
        ([entry(0, id="a", name="get", arguments={"x": 1})], "its member arguments is not text"),
        ([entry(0, id="a", name=["get"])], "its name is not a string"),
        ([entry(0, id=7, name="get")], "its id is not a string"),
        ([entry(0, id="a", type=1, name="get")], "its type is not a string"),
        ([entry(0, id="a", type="function", name="get"), entry(0, type="custom")], "its type changes"),
        ([entry(0, id="a", name="get"), entry(0, name="get")], "its name changes"),
        ([entry(0, id="a", name="get"), entry(0, id="a", name="put")], "its name changes"),
        ([entry(0, id="a", name="get", arguments="{}"), entry(0, name="x")], "its name changes"),
        ([entry(0, id="a", function="get")], "its function is not an object"),
        ([entry(0, id="a", name="get"), {"index": 0, "custom": {"input": "x"}}], "it is of two types at once"),
        ([entry(0, id="a", type="custom", name="get")], "its type is not the one of its members"),
        ([entry("0", id="a", name="get")], "its index is not a number"),
        ([entry(-1, id="a", name="get")], "its index is not a number"),
        ([entry(True, id="a", name="get")], "its index is not a number"),
        (["get"], "a part of it is not an object"),
        ([entry(0, id="a", name="get"), entry(0, id="b", name="put", arguments="{}")], "another call has its index"),
        (
            [entry(0, id="a", name="x"), entry(1, id="b", name="y"), entry(None, arguments="{}")],
            "a part of it names no index",
        ),
        (
            [entry(0, id="a", name="x", type="odd"), {"index": 0, "odd": 1}],
            "its type is not known and it came in parts",
        ),
    ],
)
def test_what_clients_could_read_differently_is_a_problem(entries: list[Any], problem: str) -> None:
    assert problem in [call.problem for call in assemble(*entries)]


def test_calls_that_are_no_list_are_a_problem() -> None:
    calls = CallsInParts()
    calls.add({"tool_calls": {"0": entry(0)}})
    assert calls.build(3)[0].problem == "its parts are not a list"
    assert calls.build(3)[0].turn == 3


def test_the_older_form_is_a_call_too() -> None:
    calls = CallsInParts()
    calls.add({"function_call": {"name": "get", "arguments": '{"x"'}})
    calls.add({"function_call": {"arguments": ":1}"}})
    assert calls.build(0) == [ToolCall("get", "function", '{"x":1}', {"x": 1})]


def test_a_whole_message_has_its_calls_in_order() -> None:
    message = {
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "get", "arguments": ""}},
            {"id": "b", "type": "custom", "custom": {"name": "run", "input": "x"}},
        ],
        "function_call": {"name": "old", "arguments": "{}"},
    }
    assert [(call.id, call.name, call.parsed, call.problem) for call in whole_calls(message, 2)] == [
        ("a", "get", {}, None),
        ("b", "run", "x", None),
        (None, "old", {}, None),
    ]
    assert {call.turn for call in whole_calls(message, 2)} == {2}


@pytest.mark.parametrize("message", [{}, {"tool_calls": None}, {"tool_calls": []}, {"function_call": None}])
def test_a_message_without_calls_has_none(message: dict[str, Any]) -> None:
    assert whole_calls(message, 0) == []


@pytest.mark.parametrize(
    "message", [{"tool_calls": {}}, {"tool_calls": ["x"]}, {"function_call": "x"}, {"tool_calls": [{}]}]
)
def test_a_whole_call_that_cannot_be_read_has_a_problem(message: dict[str, Any]) -> None:
    assert all(call.problem for call in whole_calls(message, 0))
    assert whole_calls(message, 0)
