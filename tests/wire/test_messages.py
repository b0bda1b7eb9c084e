"""Requests and whole answers of the Messages API."""

from typing import Any

import orjson
import pytest

from gateway.model.errors import Refusal, UnreadableRequest
from gateway.model.verdict import Denial, Withhold
from gateway.wire.messages import MESSAGES

REFUSED = Withhold("refused by rule no-shell", (Denial("Bash", "no-shell", "no", "dec_1"),))


def tool_use(**members: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}, **members}


def message(*content: Any, **members: Any) -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "content": list(content), "stop_reason": "tool_use", **members}


def test_a_request_is_read() -> None:
    ask = MESSAGES.read_request(
        {
            "model": "claude-opus-5",
            "stream": True,
            "max_tokens": 50,
            "thread": {"type": "continue", "previous_message_id": "msg_0"},
            "messages": [
                {"role": "user", "content": "hi"},
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"},
                        {"type": "tool_result", "tool_use_id": "toolu_2", "content": [], "is_error": True},
                        {"type": "text", "text": "go on"},
                    ],
                },
            ],
        }
    )
    assert (ask.model, ask.stream, ask.max_output_tokens, ask.previous) == ("claude-opus-5", True, 50, "msg_0")
    assert [(result.call_id, result.content, result.is_error) for result in ask.results] == [
        ("toolu_1", "ok", False),
        ("toolu_2", [], True),
    ]


def test_an_empty_request_is_left_to_the_provider() -> None:
    ask = MESSAGES.read_request({})
    assert (ask.model, ask.stream, ask.tools, ask.results, ask.previous) == (None, False, (), (), None)


def test_every_kind_of_tool_is_offered() -> None:
    server = {"type": "url", "name": "wiki", "url": "https://wiki.example/mcp"}
    ask = MESSAGES.read_request(
        {
            "tools": [
                {"name": "Bash", "input_schema": {"type": "object"}},
                {"type": "custom", "name": "Read", "input_schema": {"type": "object"}},
                {"type": "bash_20250124", "name": "bash"},
                {"type": "web_search_20260318", "name": "web_search", "max_uses": 5},
                {"type": "computer_toolset_20260801"},
                {"type": "mcp_toolset", "mcp_server_name": "wiki"},
            ],
            "mcp_servers": [server],
        }
    )
    assert [(tool.name, tool.kind, tool.namespace) for tool in ask.tools] == [
        ("Bash", "function", None),
        ("Read", "function", None),
        ("bash", "bash_20250124", None),
        ("web_search", "web_search_20260318", None),
        ("computer_toolset_20260801", "computer_toolset_20260801", None),
        ("wiki", "mcp_toolset", "wiki"),
        ("wiki", "mcp", "wiki"),
    ]
    assert ask.tools[-1].definition == server


def test_tools_defined_in_the_conversation_are_offered_too() -> None:
    def addition(name: str) -> dict[str, Any]:
        definition = {"name": name, "input_schema": {"type": "object"}}
        return {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": definition}}

    reference = {"type": "tool_addition", "tool": {"type": "tool_reference", "tool_name": "known"}}
    removal = {"type": "tool_removal", "tool": {"type": "tool_reference", "tool_name": "known"}}
    changes = [addition("from_before"), removal, "?"]
    ask = MESSAGES.read_request(
        {
            "messages": [
                {"role": "system", "content": [addition("late"), reference, removal]},
                {"role": "assistant", "content": [{"type": "compaction", "tool_changes": changes}]},
                {"role": "assistant", "content": [{"type": "compaction", "tool_changes": None}]},
            ]
        }
    )
    assert [(tool.name, tool.kind) for tool in ask.tools] == [("late", "function"), ("from_before", "function")]


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"model": 4}, "model"),
        ({"stream": 1}, "stream"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": ["hi"]}]}, "messages[0].content[0]"),
        ({"tools": {}}, "tools"),
        ({"tools": ["run"]}, "tools[0]"),
        ({"tools": [{}]}, "tools[0].name"),
        ({"tools": [{"type": 4}]}, "tools[0].type"),
        ({"tools": [{"type": "bash_20250124", "name": 4}]}, "tools[0].name"),
        ({"tools": [{"type": "mcp_toolset"}]}, "tools[0].mcp_server_name"),
        ({"mcp_servers": {}}, "mcp_servers"),
        ({"mcp_servers": [{}]}, "mcp_servers[0].name"),
        ({"thread": "msg_0"}, "thread"),
        ({"thread": {"previous_message_id": 4}}, "thread.previous_message_id"),
        (
            {"messages": [{"content": [{"type": "tool_addition", "tool": {"type": "tool_definition"}}]}]},
            "messages[0].content[0].tool.definition.name",
        ),
    ],
)
def test_a_governed_member_of_the_wrong_type_is_named(document: dict[str, Any], param: str) -> None:
    with pytest.raises(UnreadableRequest) as caught:
        MESSAGES.read_request(document)
    assert caught.value.param == param


def test_a_whole_answer_is_read() -> None:
    usage = {
        "input_tokens": 5,
        "cache_creation_input_tokens": 10,
        "cache_read_input_tokens": 100,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
    }
    hosted = {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "server_name": "wiki", "input": {}}
    thinking = {"type": "thinking", "thinking": "abc", "signature": "x"}
    said = {"type": "text", "text": "hello"}
    answer = MESSAGES.read_answer(message(thinking, said, hosted, tool_use(), "?", model="claude-opus-5", usage=usage))
    assert (answer.id, answer.model, answer.finish_reason) == ("msg_1", "claude-opus-5", "tool_use")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.cached_tokens) == (115, 100)
    assert (answer.usage.output_tokens, answer.usage.reasoning_tokens) == (7, 3)
    assert answer.text_chars == len('abchello{}{"command":"ls"}')
    (call,) = answer.calls[0]
    assert (call.name, call.kind, call.id) == ("Bash", "function", "toolu_1")
    assert (call.arguments, call.parsed, call.problem) == ('{"command":"ls"}', {"command": "ls"}, None)
    (recorded,) = answer.hosted
    assert (recorded.name, recorded.kind, recorded.namespace) == ("echo", "mcp_tool_use", "wiki")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"type": "error", "error": {"type": "api_error", "message": "no"}},
        {"id": 4, "model": 4, "stop_reason": 4, "usage": 4, "content": 4, "input_tokens": 4},
        {"content": [4, {"type": 4}, {"type": "text", "text": 4}]},
    ],
)
def test_an_answer_of_another_shape_has_no_calls(document: dict[str, Any]) -> None:
    answer = MESSAGES.read_answer(document)
    assert (answer.calls, answer.hosted, answer.text_chars, answer.usage) == ({}, [], 0, None)


def test_counting_tokens_uses_none() -> None:
    usage = MESSAGES.read_answer({"input_tokens": 2095}).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (0, 0)


@pytest.mark.parametrize(
    ("block", "name", "problem"),
    [
        (tool_use(input=None), "Bash", None),
        (tool_use(toolset_name="browser"), "Bash", None),
        ({"type": "teleport_tool_use", "name": "beam", "input": {}}, "beam", None),
        (tool_use(name=None), "", "it has no name"),
        (tool_use(name=""), "", "it has no name"),
        (tool_use(input="ls"), "Bash", "its arguments are not a JSON object"),
        (tool_use(input=[]), "Bash", "its arguments are not a JSON object"),
    ],
)
def test_what_the_client_would_execute_is_a_call(block: dict[str, Any], name: str, problem: str | None) -> None:
    (call,) = MESSAGES.read_answer(message(block)).calls[0]
    assert (call.name, call.problem, call.namespace) == (name, problem, block.get("toolset_name"))


def test_a_refused_answer_keeps_everything_but_its_calls() -> None:
    said, hosted = {"type": "text", "text": "hello"}, {"type": "server_tool_use", "name": "web_search", "input": {}}
    document = message(said, tool_use(), hosted, tool_use(), usage={"input_tokens": 1})
    before = orjson.dumps(document)
    refused = MESSAGES.withhold(document, {0: REFUSED})
    assert orjson.dumps(document) == before
    assert refused["content"] == [said, hosted, {"type": "text", "text": "refused by rule no-shell"}]
    assert (refused["stop_reason"], refused["usage"]) == ("end_turn", {"input_tokens": 1})
    assert refused["leuko"] == {"denied": [{"tool": "Bash", "rule": "no-shell", "decision_id": "dec_1"}]}
    assert MESSAGES.withhold(document, {}) == document


@pytest.mark.parametrize(
    ("reason", "kept"),
    [("tool_use", "end_turn"), ("pause_turn", "end_turn"), (None, "end_turn"), ("max_tokens", "max_tokens")],
)
def test_a_reason_to_stop_that_does_not_speak_of_tools_stays(reason: str | None, kept: str) -> None:
    refused = MESSAGES.withhold({"stop_reason": reason}, {0: REFUSED})
    assert refused["stop_reason"] == kept
    assert [block["type"] for block in refused["content"]] == ["text"]


def test_a_refusal_has_the_apis_own_shape() -> None:
    body = orjson.loads(MESSAGES.error_body(Refusal("rate_limit_exceeded", "slower")))
    assert body == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "slower", "code": "rate_limit_exceeded"},
    }
