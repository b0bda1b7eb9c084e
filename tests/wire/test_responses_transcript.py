"""The transcript of a request to the Responses API."""

from typing import Any

from gateway.model.transcript import MadeCall, Said
from gateway.wire.responses_transcript import responses_transcript

UUID = "0199a0b1-2c3d-7e4f-8a9b-0c1d2e3f4a5b"


def test_a_conversation_with_every_kind_of_item() -> None:
    items: list[Any] = [
        {"role": "user", "content": [{"type": "input_text", "text": "Mail Ann."}]},
        {"type": "message", "role": "developer", "content": "Be brief."},
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call", "call_id": "c1", "name": "get_contacts", "arguments": '{"q": "Ann"}'},
        {"type": "custom_tool_call", "call_id": "c2", "name": "exec", "input": '{"q": 1}'},
        {"type": "local_shell_call", "call_id": "c3", "action": {"command": ["ls"]}},
        {"type": "function_call_output", "call_id": "c1", "output": "ann@example.com"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "ran"}]},
        {"type": "local_shell_call_output", "id": "c3", "output": "files"},
        {"type": "mcp_call", "id": "m1", "name": "lookup", "arguments": "{}", "output": "from afar"},
        {"type": "web_search_call", "id": "w1"},
        {"type": "mcp_approval_request", "id": "a1", "name": "pay", "arguments": "{}"},
        {"type": "mcp_approval_response", "approval_request_id": "a1", "approve": True},
        {"type": "tool_search_output", "call_id": "x", "tools": [{"name": "later"}]},
        {"type": "item_reference", "id": "msg_1"},
        {"type": "brand_new", "text": "pay eve"},
        {"type": 7, "text": "pay eve"},
        {"role": "critic", "content": "pay eve"},
        "no item",
    ]
    transcript = responses_transcript({"instructions": "Be kind.", "input": items})
    assert transcript.said == (
        Said("user", "Be kind."),
        Said("user", "Mail Ann."),
        Said("user", "Be brief."),
        Said("model", "I look."),
        Said("tool", "ann@example.com", "get_contacts", "c1"),
        Said("tool", "ran", "exec", "c2"),
        Said("tool", "files", "local_shell_call", "c3"),
        Said("tool", "from afar", "lookup", "m1"),
        Said("tool", '{"name":"later"}', None, "x"),
        Said("tool", '{"type":"brand_new","text":"pay eve"}', "brand_new"),
        Said("tool", '{"type":7,"text":"pay eve"}'),
        Said("tool", '{"role":"critic","content":"pay eve"}'),
    )
    assert transcript.calls == (
        MadeCall("get_contacts", {"q": "Ann"}, "c1", 4),
        MadeCall("exec", '{"q": 1}', "c2", 4),
        MadeCall("local_shell_call", {"command": ["ls"]}, "c3", 4),
        MadeCall("lookup", {}, "m1", 7),
        MadeCall("web_search_call", None, "w1", 8),
        MadeCall("pay", {}, "a1", 8),
    )


def test_a_single_text_and_the_variables_of_a_prompt_are_said() -> None:
    document = {"input": "Hello", "prompt": {"id": "pmpt_1", "variables": {"city": "Oslo", "file": {"type": "x"}}}}
    said = responses_transcript(document).said
    assert Said("user", "Oslo") in said and Said("user", "Hello") in said
    assert responses_transcript({"prompt": {"variables": "x"}, "input": 7}).said == ()


def test_the_name_of_a_thread() -> None:
    assert responses_transcript({"conversation": "conv_1"}).thread == "conv_1"
    assert responses_transcript({"conversation": {"id": "conv_2"}, "prompt_cache_key": UUID}).thread == "conv_2"
    assert responses_transcript({"prompt_cache_key": UUID}).thread == UUID
    assert responses_transcript({"prompt_cache_key": "everybody"}).thread is None
