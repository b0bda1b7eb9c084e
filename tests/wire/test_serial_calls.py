"""A model is asked for one call at a time, where it can be asked that."""

from typing import Any

import orjson
import pytest

from gateway.wire.serial_calls import serial_calls

TOOL = {"type": "function", "function": {"name": "f"}}
CHAT, MESSAGES = "chat_completions", "messages"


def asked(dialect: str, document: dict[str, Any]) -> Any:
    body = orjson.dumps(document)
    after = serial_calls(body, document, dialect)
    return None if after is body else orjson.loads(after)


@pytest.mark.parametrize("dialect", [CHAT, "responses"])
def test_the_member_of_openais_apis(dialect: str) -> None:
    for given in ({}, {"parallel_tool_calls": True}, {"parallel_tool_calls": None}):
        ask = {"model": "gpt-4o", "tools": [TOOL], **given}
        assert asked(dialect, ask) == {**ask, "parallel_tool_calls": False}


def test_the_member_of_the_messages_api() -> None:
    ask = {"tools": [TOOL]}
    assert asked(MESSAGES, ask)["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    for kind in ("auto", "any"):
        choice = asked(MESSAGES, {**ask, "tool_choice": {"type": kind}})["tool_choice"]
        assert choice == {"type": kind, "disable_parallel_tool_use": True}
    named = {"type": "tool", "name": "f", "disable_parallel_tool_use": False}
    assert asked(MESSAGES, {**ask, "tool_choice": named})["tool_choice"] == {**named, "disable_parallel_tool_use": True}


@pytest.mark.parametrize(
    ("dialect", "ask"),
    [
        (CHAT, {"messages": []}),
        (CHAT, {"tools": []}),
        (CHAT, {"tools": [TOOL], "parallel_tool_calls": False}),
        (CHAT, {"tools": [TOOL], "model": "o3-mini"}),
        (CHAT, {"tools": [TOOL], "model": "openai/o4-mini"}),
        ("completions", {"prompt": "x", "tools": [TOOL]}),
        (MESSAGES, {"tools": [TOOL], "tool_choice": {"type": "none"}}),
        (MESSAGES, {"tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}),
    ],
)
def test_what_needs_no_word_or_takes_none_stays(dialect: str, ask: dict[str, Any]) -> None:
    assert asked(dialect, ask) is None
