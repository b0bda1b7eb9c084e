"""What a request to chat completions says of its conversation."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.model.history import History
from gateway.wire.chat_history import chat_history


def _call(name: str, arguments: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def _assistant(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls)}


def _history(*messages: Any) -> History:
    return chat_history({"messages": list(messages)})


SYSTEM = {"role": "system", "content": "be kind"}
USER = {"role": "user", "content": "hello"}


def test_the_first_request_of_a_conversation_is_its_first_turn() -> None:
    assert _history(SYSTEM, USER) == History(["be kind"], "hello")


def test_every_turn_of_the_model_counts_once() -> None:
    assert _history(SYSTEM, USER, _assistant(), USER, _assistant(), _assistant()).turn == 3


def test_instructions_in_the_middle_belong_to_no_prompt() -> None:
    later = {"role": "developer", "content": "tools have changed"}
    assert _history(SYSTEM, {"role": "developer", "content": "x"}, USER, later).system == ["be kind", "x"]


def test_texts_may_come_in_parts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]
    assert _history({"role": "user", "content": parts}).opening == "a\nb"


def test_only_results_since_the_last_turn_are_reported() -> None:
    ok, failed = {"role": "tool", "content": "12 degrees"}, {"role": "tool", "content": "Error: no such city"}
    found = _history(USER, _assistant(_call("t", "{}")), failed, _assistant(_call("t", "{ }")), ok, failed)
    assert (found.turn, found.results, found.tool_errors) == (3, 2, 1)


def test_calls_of_the_last_turn_are_compared_with_all_before_and_each_other() -> None:
    first = _assistant(_call("a", "{}"), _call("b", "1"))
    found = _history(USER, first, _assistant(_call("a", "{}"), _call("b", "2"), _call("b", "2")))
    assert found.repeated_calls == 2
    assert _history(USER, first, _assistant(_call("c", "{}"))).repeated_calls == 0


def test_older_and_custom_calls_count_too() -> None:
    older = {"role": "assistant", "function_call": {"name": "a", "arguments": "{}"}}
    custom = {"role": "assistant", "tool_calls": [{"type": "custom", "custom": {"name": "p", "input": "x"}}]}
    result = {"role": "function", "name": "a", "content": "1"}
    found = _history(USER, older, result, custom, older)
    assert (found.turn, found.repeated_calls, found.results) == (3, 1, 0)


def test_a_long_opening_is_bounded_and_still_tells_apart() -> None:
    first, second = (_history({"role": "user", "content": "x" * n}).opening for n in (20_000, 20_001))
    assert first != second and len(first) < 9000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "tool_calls", "function", "name", "arguments", "type", "text"]),
            inner
            | st.sampled_from(["assistant", "user", "tool", "system", "tool_use", "tool_result", "function_call"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(messages=JSON)
def test_nothing_in_a_request_breaks_it(messages: Any) -> None:
    assert chat_history({"messages": messages}).turn >= 1
