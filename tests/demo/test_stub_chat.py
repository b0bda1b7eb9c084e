from typing import Any

import pytest

from gateway.demo.stub_chat import chat_stream, chat_whole, completion_stream, completion_whole
from gateway.demo.stub_turns import Call, Turn
from tests.demo.rendered import TURN, events, mint, question


def streamed(turn: Turn, **document: Any) -> list[Any]:
    return [data for _, data in events(chat_stream(question(**document), turn, mint()))]


def test_a_stream_opens_with_the_role_and_ends_with_the_reason_and_done() -> None:
    chunks = streamed(Turn("one two"))
    deltas = [chunk["choices"][0] for chunk in chunks[:-1]]
    assert [(d["delta"], d["finish_reason"]) for d in deltas] == [
        ({"role": "assistant", "content": "", "refusal": None}, None),
        ({"content": "one"}, None),
        ({"content": " two"}, None),
        ({}, "stop"),
    ]
    assert chunks[-1] == "[DONE]"
    assert {chunk["id"] for chunk in chunks[:-1]} == {"chatcmpl-1"}
    assert all("usage" not in chunk for chunk in chunks[:-1])


def test_asked_for_usage_stands_in_a_last_chunk_without_choices_and_is_null_before() -> None:
    chunks = streamed(TURN, stream_options={"include_usage": True})
    *others, usage, done = chunks
    assert all(chunk["usage"] is None and chunk["choices"] for chunk in others)
    assert usage["choices"] == []
    assert usage["usage"] == chat_whole(question(), TURN, mint())["usage"]
    assert done == "[DONE]"


def test_calls_are_named_once_and_their_arguments_follow_in_fragments() -> None:
    parts = [part for chunk in streamed(TURN)[:-1] for part in chunk["choices"][0]["delta"].get("tool_calls", ())]
    first, second = ([part for part in parts if part["index"] == index] for index in (0, 1))
    assert (first[0]["id"], first[0]["type"]) == ("call_2", "function")
    assert first[0]["function"] == {"name": "get_weather", "arguments": ""}
    assert all(set(part) == {"index", "function"} and set(part["function"]) == {"arguments"} for part in first[1:])
    assert "".join(part["function"]["arguments"] for part in first) == '{"city":"Bern"}'
    assert second[0]["custom"] == {"name": "run", "input": ""}
    assert "".join(part["custom"]["input"] for part in second) == "ls -l"


def test_a_call_without_text_has_null_content() -> None:
    turn = Turn(calls=(Call("a"),))
    assert streamed(turn)[0]["choices"][0]["delta"]["content"] is None
    assert chat_whole(question(), turn, mint())["choices"][0]["message"]["content"] is None


def test_choices_take_turns() -> None:
    chunks = streamed(TURN, n=3)
    indexes = [chunk["choices"][0]["index"] for chunk in chunks[:-1]]
    assert indexes == [0, 1, 2] * (len(indexes) // 3)


def test_every_choice_costs() -> None:
    one, three = (chat_whole(question(n=n), TURN, mint())["usage"] for n in (1, 3))
    assert three["completion_tokens"] == 3 * one["completion_tokens"]
    assert three["total_tokens"] == three["prompt_tokens"] + three["completion_tokens"]


def test_who_offers_functions_gets_a_function_call() -> None:
    offered = {"functions": [{"name": "get_weather"}]}
    message = chat_whole(question(**offered), TURN, mint())["choices"][0]
    assert message["finish_reason"] == "function_call"
    assert message["message"]["function_call"] == {"name": "get_weather", "arguments": '{"city":"Bern"}'}
    deltas = [chunk["choices"][0]["delta"].get("function_call") for chunk in streamed(TURN, **offered)[:-1]]
    called = [delta for delta in deltas if delta]
    assert called[0] == {"name": "get_weather", "arguments": ""}
    assert "".join(delta["arguments"] for delta in called) == '{"city":"Bern"}'


@pytest.mark.parametrize("finish, said", [(None, "tool_calls"), ("length", "length"), ("refusal", "content_filter")])
def test_the_finish_reason_is_said_in_the_dialects_words(finish: str | None, said: str) -> None:
    turn = Turn(TURN.text, TURN.calls, finish)
    assert chat_whole(question(), turn, mint())["choices"][0]["finish_reason"] == said
    assert streamed(turn)[-2]["choices"][0]["finish_reason"] == said


def test_each_prompt_has_its_completions() -> None:
    whole = completion_whole(question(prompt=["a", "b"], n=2), Turn("hi"), mint())
    assert [(choice["index"], choice["text"]) for choice in whole["choices"]] == [(n, "hi") for n in range(4)]
    assert whole["usage"]["completion_tokens"] == 4
    assert len(completion_whole(question(prompt=[1, 2, 3]), Turn("hi"), mint())["choices"]) == 1


def test_a_streamed_completion_is_text_and_then_the_reason() -> None:
    asked = question(prompt="x", stream_options={"include_usage": True})
    *chunks, usage, done = [data for _, data in events(completion_stream(asked, Turn("one two"), mint()))]
    said = [(chunk["choices"][0]["text"], chunk["choices"][0]["finish_reason"]) for chunk in chunks]
    assert said == [("one", None), (" two", None), ("", "stop")]
    assert all(chunk["usage"] is None for chunk in chunks)
    assert (usage["choices"], done) == ([], "[DONE]")
    assert usage["usage"] == completion_whole(asked, Turn("one two"), mint())["usage"]
