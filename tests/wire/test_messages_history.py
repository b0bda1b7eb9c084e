"""What a request to the Messages API says of its conversation."""

from typing import Any

from hypothesis import given

from gateway.model.history import History
from gateway.wire.messages_history import messages_history
from tests.wire.test_chat_history import JSON

USER = {"role": "user", "content": "hello"}


def _use(**arguments: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "tool_use", "name": "t", "input": arguments}]}


def _result(content: Any, **members: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "content": content, **members}]}


def _history(*messages: Any, **members: Any) -> History:
    return messages_history({"messages": list(messages), **members})


def test_the_prompt_is_text_or_blocks() -> None:
    assert _history(USER, system="be kind") == History(["be kind"], "hello")
    blocks = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert _history(USER, system=blocks).system == ["a", "b"]


def test_the_line_that_claude_code_bills_by_is_no_prompt() -> None:
    blocks = [{"type": "text", "text": "x-anthropic-billing-header: cc_version=1.be6;"}, {"type": "text", "text": "a"}]
    assert _history(USER, system=blocks).system == ["a"]


def test_results_are_no_word_of_the_user() -> None:
    found = _history(USER, _use(a=1), _result("fine"), _use(a=2), _result("no", is_error=True), system="s")
    assert (found.turn, found.results, found.tool_errors, found.opening) == (3, 1, 1, "hello")


def test_a_result_without_a_flag_may_still_say_that_it_failed() -> None:
    assert _history(USER, _use(), _result([{"type": "text", "text": "Traceback (most recent call last)"}])).tool_errors


def test_arguments_are_the_same_in_any_order() -> None:
    found = _history(USER, _use(a=1, b=2), _result("x"), _use(b=2, a=1), _result("x"))
    assert found.repeated_calls == 1


def test_system_messages_in_the_middle_belong_to_no_prompt() -> None:
    assert _history(USER, {"role": "system", "content": "more tools"}, system="s").system == ["s"]


@given(messages=JSON)
def test_nothing_in_a_request_breaks_it(messages: Any) -> None:
    assert messages_history({"messages": messages, "system": messages}).turn >= 1


def test_what_the_model_says_beside_its_calls_is_no_call() -> None:
    said = {"role": "assistant", "content": [{"type": "text", "text": "I look."}]}
    assert _history(USER, said, USER).repeated_calls == 0
