"""What an agent reads of a refusal: the tool, the rule, the reason; never an argument."""

import pytest

from gateway.model.tool_call import ToolCall
from gateway.model.verdict import Denial
from gateway.wire.refusal_text import UNREADABLE, denied_members, plan_text, refusal_text, tool_name, unreadable


def test_each_refused_call_is_named_with_rule_and_reason() -> None:
    text = refusal_text([Denial("delete", "no-deletes", "Deleting is not allowed."), Denial("send", "no-mail", "No.")])
    assert "The call to the tool delete was refused by rule no-deletes: Deleting is not allowed." in text
    assert "The call to the tool send was refused by rule no-mail: No." in text
    assert text.endswith("Do not repeat a refused call unchanged.")


@pytest.mark.parametrize("name", ["get", "mcp.files:read-2_x", "a" * 64])
def test_an_ordinary_name_is_said(name: str) -> None:
    assert tool_name(name) == name
    assert f"the tool {name} " in refusal_text([Denial(name, "r", "no")])


@pytest.mark.parametrize("name", ["", "a" * 65, "rm -rf /", "get\n", "né", 'x"', "ｇｅｔ", "<b>"])
def test_any_other_name_is_not_repeated(name: str) -> None:
    assert tool_name(name) == "a tool"
    assert refusal_text([Denial(name, "r", "no")]).startswith("The call to a tool was refused")
    assert denied_members([Denial(name, "r", "no")])[0]["tool"] == "a tool"


def test_only_the_calls_with_a_problem_are_denied_as_unreadable() -> None:
    good = ToolCall("get", "function", "{}", {})
    bad = ToolCall("put", "function", '{"secret', None, "its arguments are not valid JSON")
    ruling = unreadable([good, bad])
    assert [(one.tool, one.rule) for one in ruling.denied] == [("put", UNREADABLE)]
    assert "its arguments are not valid JSON" in ruling.text
    assert "secret" not in ruling.text


def test_members_carry_rule_and_decision() -> None:
    assert denied_members([Denial("get", "r", "no", "dec_1"), Denial("put", "r", "no")]) == [
        {"tool": "get", "rule": "r", "decision_id": "dec_1"},
        {"tool": "put", "rule": "r", "decision_id": None},
    ]


def test_a_plan_tells_the_calls_in_order_with_what_they_would_do() -> None:
    calls = [ToolCall("get", "function", '{"a":1}', {"a": 1}), ToolCall("run", "custom", "", "")]
    assert plan_text(calls) == 'Plan (not executed):\n1. get {"a":1}\n2. run'


def test_other_advice_can_be_given() -> None:
    assert refusal_text([Denial("get", "r", "no")], advice="Wait.").endswith("of this turn was executed. Wait.")
