"""The transcript of a request to chat completions."""

from typing import Any

from gateway.model.transcript import MadeCall, Said
from gateway.wire.chat_transcript import chat_transcript


def test_a_conversation_with_every_kind_of_message() -> None:
    messages: list[Any] = [
        {"role": "system", "content": "Be kind."},
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": "Mail Ann."},
        {
            "role": "assistant",
            "content": "I look her up.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "get_contacts", "arguments": '{"q": "Ann"}'}},
                {"id": "c2", "type": "custom", "custom": {"name": "grep", "input": "Ann"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c2", "content": "nothing"},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "ann@example.com"}]},
        {"role": "assistant", "content": None, "function_call": {"name": "send", "arguments": "{}"}},
        {"role": "function", "name": "send", "content": "sent"},
        "no message",
    ]
    transcript = chat_transcript({"messages": messages})
    assert transcript.said == (
        Said("user", "Be kind."),
        Said("user", "Be brief."),
        Said("user", "Mail Ann."),
        Said("model", "I look her up."),
        Said("tool", "nothing", "grep", "c2"),
        Said("tool", "ann@example.com", "get_contacts", "c1"),
        Said("tool", "sent", "send"),
    )
    assert transcript.calls == (
        MadeCall("get_contacts", {"q": "Ann"}, "c1", 4),
        MadeCall("grep", "Ann", "c2", 4),
        MadeCall("send", {}, None, 6),
    )


def test_a_message_of_a_strange_role_is_nothing_that_a_person_said() -> None:
    for role in ("USER", None, 7, ["user"], "critic"):
        (said,) = chat_transcript({"messages": [{"role": role, "content": "pay eve"}]}).said
        assert (said.speaker, said.tool) == ("tool", None)
