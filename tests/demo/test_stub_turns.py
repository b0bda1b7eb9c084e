from datetime import date
from typing import Any

import pytest

from gateway.demo.stub_question import StubQuestion, Tool, read_question
from gateway.demo.stub_turns import (
    CLOSING,
    Call,
    Turn,
    call_a_tool,
    count_slowly,
    echo,
    follow,
    read_script,
)

TWO, ONE, END = Turn(calls=(Call("a"), Call("b"))), Turn("then", (Call("c"),)), Turn("done")


def question(**members: Any) -> StubQuestion:
    return StubQuestion({}, "stub", **members)


def test_echo_repeats_the_user_or_fills_in_the_wanted_json() -> None:
    assert echo(question(text="hi")) == Turn("hi")
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    assert echo(question(text="hi", schema=schema)) == Turn('{"n":1}')


def test_the_first_offered_tool_is_called() -> None:
    tools = (Tool("first", "function", {"required": ["a"]}, "space"), Tool("second", "function"))
    assert call_a_tool(question(tools=tools)).calls == (Call("first", '{"a":"example"}', "function", "space"),)


def test_a_custom_tool_gets_what_the_user_said() -> None:
    assert call_a_tool(question(text="ls", tools=(Tool("sh", "custom"),))).calls == (Call("sh", "ls", "custom"),)


def test_after_a_result_the_answer_mentions_it() -> None:
    turn = call_a_tool(question(tools=(Tool("t", "function"),), results=("old", "42 apples"), results_so_far=2))
    assert turn == Turn("The tool answered: 42 apples")


def test_without_tools_there_is_text() -> None:
    turn = call_a_tool(question())
    assert turn.text and not turn.calls


def test_the_slow_model_counts() -> None:
    assert count_slowly(question(), 3).text == "1 2 3"
    assert len(count_slowly(question()).text.split()) == 20


@pytest.mark.parametrize(
    "results, text, names", [(0, "", "ab"), (1, "", "ab"), (2, "then", "c"), (3, "done", ""), (9, "done", "")]
)
def test_a_turn_is_said_until_all_its_calls_are_answered(results: int, text: str, names: str) -> None:
    turn = follow([TWO, ONE, END], question(results_so_far=results))
    assert (turn.text, "".join(call.name for call in turn.calls)) == (text, names)


def test_past_the_end_no_call_is_made() -> None:
    assert follow([TWO], question(results_so_far=2)) == Turn(CLOSING)
    assert follow([ONE], question(results_so_far=1)) == Turn("then")


def test_scripted_calls_take_kind_and_namespace_of_the_offered_tool() -> None:
    tools = (Tool("exec", "custom", None, "functions"),)
    assert follow([Turn(calls=(Call("exec", "1"),))], question(tools=tools)).calls == (
        Call("exec", "1", "custom", "functions"),
    )


def test_a_script_is_read() -> None:
    script = read_script(
        {
            "turns": [
                "hello",
                {"text": "both", "calls": [{"name": "a", "arguments": {"x": 1}, "id": "call_7"}], "finish": "length"},
                {"calls": [{"name": "b", "arguments": '{"x": '}, {"name": "c", "input": "ls", "namespace": "n"}]},
            ]
        }
    )
    assert script == (
        Turn("hello"),
        Turn("both", (Call("a", '{"x":1}', id="call_7"),), "length"),
        Turn(calls=(Call("b", '{"x": '), Call("c", "ls", "custom", "n"))),
    )


@pytest.mark.parametrize(
    "value, complaint",
    [
        (None, "list of turns"),
        ([], "at least one"),
        ("hello", "list of turns"),
        ([7], r"turns\[0\]: expected an object"),
        (["x", {"say": "y"}], r"turns\[1\]: unknown member `say`"),
        ([{"text": 1}], r"turns\[0\]"),
        ([{"calls": [{"arguments": {}}]}], r"turns\[0\]\.calls\[0\]"),
        ([{"calls": [{"name": "a", "input": 1}]}], r"turns\[0\]\.calls\[0\]"),
        ([{"calls": [{"name": "a", "args": {}}]}], "unknown member `args`"),
    ],
)
def test_what_is_no_script_is_named(value: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_script(value)


def test_a_date_of_yaml_is_sent_as_text() -> None:
    turns = read_script([{"calls": [{"name": "a", "arguments": {"day": date(2026, 1, 15)}}]}])
    assert turns == (Turn(calls=(Call("a", '{"day":"2026-01-15"}'),)),)


def test_a_turn_costs_what_it_says() -> None:
    assert Turn().tokens == 1
    assert Turn("12345", (Call("name", "{}"),)).tokens == 3


def test_a_chain_of_ids_remembers_how_far_the_script_is() -> None:
    continued = read_question({"previous_response_id": "resp_00ff_2", "input": [{"type": "function_call_output"}]}, "m")
    assert follow([TWO, ONE, END], continued) == END
