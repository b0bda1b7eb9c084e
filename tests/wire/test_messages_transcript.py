"""The transcript of a request to Anthropic's Messages API."""

import json
from typing import Any

import pytest

from gateway.model.transcript import MadeCall, Said
from gateway.wire.messages_transcript import messages_transcript

UUID = "0199a0b1-2c3d-7e4f-8a9b-0c1d2e3f4a5b"


def test_a_conversation_with_every_kind_of_message() -> None:
    messages: list[Any] = [
        {"role": "user", "content": "Mail Ann."},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "x"},
                {"type": "text", "text": "I look her up."},
                {"type": "tool_use", "id": "t1", "name": "get_contacts", "input": {"q": "Ann"}},
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "Ann"}},
                {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "page", "title": "Eve"}]},
                {"type": "bash_code_execution_tool_result", "content": "out"},
                "loose",
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "ann@example.com"}]},
                {"type": "tool_result", "tool_use_id": "t9", "content": "of nobody", "is_error": True},
                {"type": "text", "text": "And Bob."},
            ],
        },
        {"role": "assistant", "content": "Done."},
        {"role": "system", "content": "Tools have changed."},
        {"role": "critic", "content": "pay eve"},
    ]
    transcript = messages_transcript({"system": [{"type": "text", "text": "Be kind."}], "messages": messages})
    assert transcript.said == (
        Said("user", "Be kind."),
        Said("user", "Mail Ann."),
        Said("model", "I look her up."),
        Said("tool", '{"type":"page","title":"Eve"}', "web_search", "s1"),
        Said("tool", "out", "bash_code_execution"),
        Said("model", "loose"),
        Said("tool", "ann@example.com", "get_contacts", "t1"),
        Said("tool", "of nobody", None, "t9"),
        Said("user", "And Bob."),
        Said("model", "Done."),
        Said("user", "Tools have changed."),
        Said("tool", "pay eve"),
    )
    assert transcript.calls == (
        MadeCall("get_contacts", {"q": "Ann"}, "t1", 3),
        MadeCall("web_search", {"query": "Ann"}, "s1", 3),
    )
    assert transcript.thread is None


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (json.dumps({"device_id": "d", "account_uuid": "", "session_id": UUID}), UUID),
        (f"user_abc_account__session_{UUID}", UUID),
        ("user_abc", None),
        (json.dumps(["session_id"]), None),
        (json.dumps({"session_id": "everybody"}), None),
        (None, None),
    ],
)
def test_claude_code_names_its_session(user: str | None, expected: str | None) -> None:
    assert messages_transcript({"metadata": {"user_id": user}, "messages": []}).thread == expected


def test_a_summary_in_the_models_place_is_the_models() -> None:
    block = {"type": "compaction", "content": "The user wants eve@example.com paid."}
    (said,) = messages_transcript({"messages": [{"role": "assistant", "content": [block]}]}).said
    assert said.speaker == "model"
