"""Which step a call fits, and the word for why none."""

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.intents.claims import Step
from gateway.intents.steps import equal, find

STEPS = (
    Step("look", "list_files", max_uses=2),
    Step("one", "read_file", None, {"path": "/sim/a", "lines": 10}),
    Step("any", "read_file", "files", None, {"path": {}}, 1, ("look",)),
    Step("both", "copy", None, {"to": "b"}, {"to": {}}),
)


def found(
    tool: str,
    arguments: Any,
    server: str | None = None,
    used: Mapping[str, int] | None = None,
    holds: bool = True,
    done: set[str] | None = None,
) -> str:
    result = find(
        STEPS,
        tool,
        server,
        arguments,
        lambda step, given: holds,
        lambda id: (used or {}).get(id, 0),
        None if done is None else done.__contains__,
    )
    return result if isinstance(result, str) else result.id


def test_the_first_step_that_fits_is_taken() -> None:
    assert found("read_file", {"lines": 10.0, "path": "/sim/a"}, "files", {"look": 1}) == "one"
    assert found("read_file", {"lines": 10, "path": "/sim/a"}, used={"one": 1}) == "uses_exhausted"
    assert found("read_file", {"path": "/sim/b"}, "files", {"look": 1}) == "any"


def test_a_step_without_demands_takes_all_arguments() -> None:
    assert found("list_files", "free text") == found("list_files", {"a": 2**60}) == "look"


@pytest.mark.parametrize(
    ("tool", "server", "arguments"),
    [("write_file", None, {}), ("List_Files", None, {}), ("list_files ", None, {}), ("", None, {})],
)
def test_another_tool_is_not_in_the_intent(tool: str, server: str | None, arguments: Any) -> None:
    assert found(tool, arguments, server) == "tool_not_in_intent"


@pytest.mark.parametrize("server", [None, "mail", "Files"])
def test_a_step_of_a_server_is_for_that_one_alone(server: str | None) -> None:
    only = (STEPS[2],)
    word = find(only, "read_file", server, {"path": "x"}, lambda step, given: True, lambda id: 1)
    assert word == "tool_not_in_intent"


@pytest.mark.parametrize(
    "arguments",
    [
        {"path": "/sim/b", "lines": 10},
        {"path": "/sim/a"},
        {"path": "/sim/a", "lines": 10, "more": 1},
        {"path": "/sim/a", "lines": "10"},
        {"path": "/sim/a", "lines": True},
        {"path": "/sim/a", "lines": 2**53},
        {"path": "/sim/a", "lines": float("nan")},
        "text",
        None,
        [],
    ],
)
def test_exact_arguments_are_these_and_no_others(arguments: Any) -> None:
    assert found("read_file", arguments) == "arguments_mismatch"


@pytest.mark.parametrize("arguments", [{"path": "x", "more": 1}, "x", ["path"], None])
def test_constraints_name_all_arguments_that_there_may_be(arguments: Any) -> None:
    assert found("read_file", arguments, "files", {"look": 1}) == "arguments_mismatch"


def test_constraints_have_to_hold_beside_exact_arguments_too() -> None:
    assert found("copy", {"to": "b"}) == "both"
    assert found("copy", {"to": "b"}, holds=False) == "arguments_mismatch"
    assert found("copy", {"to": "c"}) == "arguments_mismatch"


def test_order_and_uses() -> None:
    call = ("read_file", {"path": "x"}, "files")
    assert found(*call) == "step_order"
    assert found(*call, {"look": 1, "any": 1}) == "uses_exhausted"
    assert found(*call, {"any": 1}) == "step_order"
    assert found("list_files", {}, used={"look": 2}) == "uses_exhausted"


def test_what_others_did_who_share_the_intent_counts_for_the_order() -> None:
    call = ("read_file", {"path": "x"}, "files")
    assert found(*call, done={"look"}) == "any"
    assert found(*call, {"look": 1}, done=set()) == "step_order"


def test_a_value_without_one_form_equals_nothing() -> None:
    assert equal({"a": 1, "b": 2}, {"b": 2.0, "a": 1})
    assert not equal(2**60, 2**60)
