"""What a request to the Responses API says of its conversation."""

from typing import Any

from hypothesis import given

from gateway.model.history import History
from gateway.wire.responses_history import responses_history
from tests.wire.test_chat_history import JSON

USER = {"role": "user", "content": [{"type": "input_text", "text": "hello"}]}
CALL = {"type": "function_call", "name": "t", "call_id": "c", "arguments": "{}"}


def _history(*items: Any, **members: Any) -> History:
    return responses_history({"input": list(items), **members})


def test_a_text_alone_opens_a_conversation() -> None:
    assert responses_history({"input": "hello", "instructions": "be kind"}) == History(["be kind"], "hello")


def test_developer_messages_before_the_first_word_are_the_prompt() -> None:
    assert _history({"role": "developer", "content": "be kind"}, USER) == History(["be kind"], "hello")


def test_reasoning_text_and_calls_are_one_turn_of_the_model() -> None:
    said = {"type": "message", "role": "assistant", "content": []}
    output = {"type": "function_call_output", "call_id": "c", "output": "1"}
    assert _history(USER, {"type": "reasoning"}, said, CALL, output).turn == 2
    assert _history(USER, {"type": "reasoning"}, CALL, output, said, USER).turn == 3


def test_results_of_every_kind_are_counted_with_their_failures() -> None:
    items = [
        {"type": "function_call_output", "output": "fine"},
        {"type": "function_call_output", "output": "x", "status": "incomplete"},
        {"type": "custom_tool_call_output", "output": [{"type": "input_text", "text": "Exit code: 2\nno"}]},
        {"type": "mcp_approval_response", "approve": False},
    ]
    found = _history(USER, CALL, *items)
    assert (found.results, found.tool_errors) == (4, 3)


def test_repeated_calls_of_every_kind_are_found() -> None:
    custom = {"type": "custom_tool_call", "name": "exec", "input": "ls"}
    shell = {"type": "local_shell_call", "action": {"command": ["ls"]}}
    output = {"type": "function_call_output", "output": "1"}
    assert _history(USER, CALL, custom, shell, output, CALL, custom, shell).repeated_calls == 3


def test_a_conversation_that_the_provider_keeps_has_a_name() -> None:
    assert _history(USER, conversation="conv_1").name == "conv_1"
    assert _history(USER, conversation={"id": "conv_2"}).name == "conv_2"
    assert _history(USER).name is None


def test_threads_of_one_client_with_the_same_first_message_are_told_apart() -> None:
    first, second = (_history(USER, prompt_cache_key=key).opening for key in ("a", "b"))
    assert first != second


@given(items=JSON)
def test_nothing_in_a_request_breaks_it(items: Any) -> None:
    assert responses_history({"input": items, "instructions": items, "conversation": items}).turn >= 1
