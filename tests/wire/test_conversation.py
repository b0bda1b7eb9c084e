"""Who says what in a conversation, in every dialect that has one, and whatever its shape."""

from typing import Any

import pytest

from gateway.wire.conversation import calls_in, lasting, reported_in, results_among, said_in, speaker

RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "x"}
TEXT = {"type": "text", "text": "x"}


@pytest.mark.parametrize(
    ("dialect", "message", "expected"),
    [
        ("chat_completions", {"role": "system", "content": "x"}, "system"),
        ("chat_completions", {"role": "developer", "content": "x"}, "system"),
        ("chat_completions", {"role": "user", "content": "x"}, "user"),
        ("chat_completions", {"role": "assistant", "content": "x"}, "model"),
        ("chat_completions", {"role": "tool", "tool_call_id": "t1", "content": "x"}, "tool"),
        ("chat_completions", {"role": "function", "name": "f", "content": "x"}, "tool"),
        ("chat_completions", {"role": ["odd"]}, "model"),
        ("chat_completions", "odd", "model"),
        ("responses", {"role": "user", "content": "x"}, "user"),
        ("responses", {"type": "message", "role": "user", "content": "x"}, "user"),
        ("responses", {"type": "message", "role": "developer", "content": "x"}, "system"),
        ("responses", {"type": "reasoning"}, "model"),
        ("responses", {"type": "function_call", "call_id": "t1"}, "model"),
        ("responses", {"type": "function_call_output", "call_id": "t1"}, "tool"),
        ("responses", {"type": "additional_tools", "tools": []}, "tools"),
        ("messages", {"role": "user", "content": "x"}, "user"),
        ("messages", {"role": "user", "content": [TEXT]}, "user"),
        ("messages", {"role": "user", "content": []}, "user"),
        ("messages", {"role": "user", "content": [RESULT, TEXT]}, "user"),
        ("messages", {"role": "user", "content": [RESULT]}, "tool"),
        ("messages", {"role": "assistant", "content": [TEXT]}, "model"),
        ("messages", {"role": "system", "content": "x"}, "system"),
    ],
)
def test_who_says_a_message(dialect: str, message: Any, expected: str) -> None:
    assert speaker(dialect, message) == expected


@pytest.mark.parametrize(
    ("dialect", "message", "expected"),
    [
        ("chat_completions", {"role": "assistant", "tool_calls": [{"id": "t1"}, {"id": 2}, "odd"]}, ["t1"]),
        ("chat_completions", {"role": "assistant", "tool_calls": "odd", "function_call": {"name": "f"}}, ["f"]),
        ("chat_completions", {"role": "assistant", "function_call": {"name": 1}}, []),
        ("chat_completions", None, []),
        ("responses", {"type": "function_call", "call_id": "t1", "id": "fc_1"}, ["t1", "fc_1"]),
        ("responses", {"type": "mcp_approval_request", "id": "r1"}, ["r1"]),
        ("responses", {"type": "message", "id": "m1"}, []),
        ("responses", {"role": "user"}, []),
        ("messages", {"content": [{"type": "tool_use", "id": "t1"}, {"type": "text", "id": "t2"}]}, ["t1"]),
        ("messages", {"content": "text"}, []),
    ],
)
def test_which_calls_a_message_makes(dialect: str, message: Any, expected: list[str]) -> None:
    assert list(calls_in(dialect, message)) == expected


@pytest.mark.parametrize(
    ("dialect", "told", "expected"),
    [
        ("chat_completions", {"role": "tool", "tool_call_id": "t1"}, "t1"),
        ("chat_completions", {"role": "tool"}, ""),
        ("chat_completions", {"role": "function", "name": "f"}, "f"),
        ("chat_completions", {"role": "user"}, None),
        ("responses", {"type": "function_call_output", "call_id": "t1"}, "t1"),
        ("responses", {"type": "tool_search_output"}, ""),
        ("responses", {"type": "message"}, None),
        ("messages", RESULT, "t1"),
        ("messages", {"type": "tool_result"}, ""),
        ("messages", TEXT, None),
        ("messages", "odd", None),
    ],
)
def test_which_call_a_result_is_of(dialect: str, told: Any, expected: str | None) -> None:
    assert reported_in(dialect, told) == expected


def test_where_the_results_stand_among_the_blocks_of_a_message() -> None:
    assert results_among({"content": [RESULT, TEXT, RESULT]}) == {0, 2}
    assert results_among({"content": "text"}) == results_among(None) == frozenset()


def test_the_messages_of_a_request() -> None:
    assert said_in("chat_completions", {"messages": [1]}) == [1]
    assert said_in("responses", {"input": "text"}) == said_in("embeddings", {"input": ["a"]}) == []


def test_what_clients_move_along_does_not_make_it_another_message() -> None:
    marked = {"role": "user", "content": [{**TEXT, "cache_control": {"type": "ephemeral"}}]}
    assert lasting(marked) == lasting({"content": [TEXT], "role": "user"}) != lasting({"role": "user", "content": "y"})
    assert lasting({"role": "system", "content": "Today is Monday"}) == b""
    assert lasting("odd") == b'"odd"'
