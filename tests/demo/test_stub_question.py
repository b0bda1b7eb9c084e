"""Requests of every dialect, as the stub models understand them."""

from typing import Any

import pytest

from gateway.demo.stub_question import StubQuestion, Tool, content_text, estimated_tokens, read_question

SCHEMA = {"type": "object"}
CHAT_TOOLS = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in ("a", "b")]


def read(**document: Any) -> StubQuestion:
    return read_question(document, "stub")


@pytest.mark.parametrize(
    "document",
    [
        {"prompt": "hi"},
        {"input": "hi"},
        {"messages": [{"role": "user", "content": "hi"}]},
        {
            "messages": [
                {"role": "user", "content": "old"},
                {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            ]
        },
        {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]},
        {
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "yes"},
                {"role": "user", "content": [{"type": "tool_result", "content": "no"}]},
            ]
        },
    ],
)
def test_the_last_thing_the_user_said_is_found(document: dict[str, Any]) -> None:
    assert read(**document).text == "hi"


@pytest.mark.parametrize(
    "document",
    [
        {
            "messages": [
                {"role": "tool", "content": "r"},
                {"role": "function", "content": [{"type": "text", "text": "s"}]},
            ]
        },
        {
            "input": [
                {"type": "function_call_output", "output": "r"},
                {"type": "custom_tool_call_output", "output": [{"type": "input_text", "text": "s"}]},
            ]
        },
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "content": "r"},
                        {"type": "tool_result", "content": [{"type": "text", "text": "s"}]},
                    ],
                }
            ]
        },
    ],
)
def test_tool_results_are_found_in_every_dialect(document: dict[str, Any]) -> None:
    seen = read(**document)
    assert (seen.results, seen.results_so_far) == (("r", "s"), 2)


def test_a_result_without_text_is_told_as_json() -> None:
    assert read(input=[{"type": "computer_call_output", "output": {"image_url": "x"}}]).results == (
        '{"image_url":"x"}',
    )
    assert read(messages=[{"role": "tool"}]).results == ("",)


@pytest.mark.parametrize(
    "definition, tool",
    [
        ({"type": "function", "function": {"name": "t", "parameters": SCHEMA}}, Tool("t", "function", SCHEMA)),
        ({"type": "function", "name": "t", "parameters": SCHEMA}, Tool("t", "function", SCHEMA)),
        ({"type": "custom", "custom": {"name": "t"}}, Tool("t", "custom")),
        ({"type": "custom", "name": "t", "format": {"type": "text"}}, Tool("t", "custom")),
        ({"name": "t", "input_schema": SCHEMA}, Tool("t", "function", SCHEMA)),
        ({"type": "custom", "name": "t", "input_schema": SCHEMA}, Tool("t", "function", SCHEMA)),
        (
            {"type": "namespace", "name": "n", "tools": [{"type": "custom", "name": "t"}]},
            Tool("t", "custom", None, "n"),
        ),
    ],
)
def test_tools_are_read_in_every_dialect(definition: dict[str, Any], tool: Tool) -> None:
    assert read(tools=[definition]).tools == (tool,)


def test_hosted_tools_are_not_the_callers() -> None:
    hosted = ["web_search", "web_search_20250305", "mcp", "code_interpreter"]
    assert read(tools=[{"type": kind, "name": "x"} for kind in hosted]).tools == ()


def test_tools_may_come_within_the_conversation() -> None:
    extra = {"type": "additional_tools", "role": "developer", "tools": [{"type": "function", "name": "late"}]}
    assert [tool.name for tool in read(input=[extra]).tools] == ["late"]
    addition = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {"name": "later"}}}
    assert [tool.name for tool in read(messages=[{"role": "system", "content": [addition]}]).tools] == ["later"]


def test_functions_are_tools_that_are_called_in_the_old_way() -> None:
    seen = read(functions=[{"name": "f", "parameters": SCHEMA}])
    assert (seen.tools, seen.legacy) == ((Tool("f", "function", SCHEMA),), True)
    assert read(functions=[{"name": "f"}], tools=CHAT_TOOLS).legacy is False


@pytest.mark.parametrize(
    "choice, names",
    [
        (None, ["a", "b"]),
        ("auto", ["a", "b"]),
        ("required", ["a", "b"]),
        ({"type": "any"}, ["a", "b"]),
        ("none", []),
        ({"type": "none"}, []),
        ({"type": "function", "function": {"name": "b"}}, ["b"]),
        ({"type": "function", "name": "b"}, ["b"]),
        ({"type": "tool", "name": "b"}, ["b"]),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "b"}]}, ["b"]),
        (
            {"type": "allowed_tools", "allowed_tools": {"tools": [{"type": "function", "function": {"name": "b"}}]}},
            ["b"],
        ),
    ],
)
def test_the_callers_choice_of_tools_is_kept_to(choice: Any, names: list[str]) -> None:
    assert [tool.name for tool in read(tools=CHAT_TOOLS, tool_choice=choice).tools] == names


@pytest.mark.parametrize(
    "document, before",
    [
        ({"previous_response_id": "resp_a_3"}, 3),
        ({"thread": {"type": "continue", "previous_message_id": "msg_a_12"}}, 12),
        ({"thread": {"type": "create"}}, 0),
        ({"previous_response_id": "resp_of_another_provider"}, 0),
    ],
)
def test_an_id_of_ours_tells_how_many_results_came_before(document: dict[str, Any], before: int) -> None:
    result = {"type": "function_call_output", "output": "r"}
    assert read(input=[result], **document).results_so_far == before + 1


@pytest.mark.parametrize(
    "document",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}},
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    ],
)
def test_the_schema_of_the_answer_is_read_in_every_dialect(document: dict[str, Any]) -> None:
    assert read(**document).schema == SCHEMA


def test_plain_text_and_json_without_a_schema() -> None:
    assert read(text={"format": {"type": "text"}}).schema is None
    assert read(response_format={"type": "json_object"}).schema is not None


@pytest.mark.parametrize("n, choices", [(None, 1), (0, 1), (3, 3), (10_000, 128), ("2", 1)])
def test_the_number_of_choices_is_bounded(n: Any, choices: int) -> None:
    assert read(n=n).choices == choices


def test_usage_is_wanted_only_when_asked_for() -> None:
    assert read(stream_options={"include_usage": True}).include_usage is True
    assert read(stream_options={"include_usage": False}).include_usage is False
    assert read().include_usage is False


def test_tokens_are_estimated_from_all_that_the_model_reads() -> None:
    assert read(input="x" * 398).input_tokens == 100
    assert read(input="x" * 398, tools=[{"a": 1}]).input_tokens > 100
    assert (estimated_tokens(0), estimated_tokens(4), estimated_tokens(5)) == (1, 1, 2)


def test_text_of_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, "b", 7]
    assert content_text(parts) == "a\nb"
