"""What each frame of a chat stream means."""

from typing import Any

import orjson
import pytest

from gateway.model.answer import Usage
from gateway.model.errors import Refusal
from gateway.wire.chat_stream import ChatReader
from gateway.wire.dialect import Signal, UnreadableFrame
from gateway.wire.sse import parse
from tests.support.chat_streams import DONE, call, chunk, envelope, frame, part, usage_chunk


def read(*frames: bytes, reader: ChatReader | None = None) -> list[tuple[int, Signal]]:
    """The signals of the last frame."""
    reader = reader or ChatReader()
    signals: list[tuple[int, Signal]] = []
    for raw in frames:
        event, data, _ = parse(raw)
        signals = list(reader.read(data, event))
    return signals


@pytest.mark.parametrize(
    "raw",
    [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "text"}),
        chunk({"content": "tool_calls and function_call"}),
        chunk({"content": None, "tool_calls": None, "function_call": None}),
        chunk({"tool_calls": []}),
        chunk(None),
        chunk("odd"),
        chunk({"content": ["odd"]}),
        usage_chunk(),
        frame({"choices": {}}),
        frame({"choices": ["odd", None]}),
        frame({"choices": [{"index": "0", "delta": {"content": "x"}}]}),
        frame({"error": None}),
        frame([1]),
        frame("text"),
        b"data: not json\n\n",
        b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n',
    ],
)
def test_text_and_everything_without_a_call_is_plain(raw: bytes) -> None:
    assert read(raw) == []


@pytest.mark.parametrize(
    "delta",
    [
        part(id="a", name="get"),
        {"content": "x", "tool_calls": [{}]},
        {"tool_calls": {"odd": 1}},
        {"function_call": {"name": "get"}},
        {"function_call": {}},
        {"function_call": "odd"},
    ],
)
def test_any_part_of_a_call_is_a_call(delta: dict[str, Any]) -> None:
    assert read(chunk(delta, 2)) == [(2, Signal.CALL)]


def test_a_call_in_a_complete_message_is_a_call() -> None:
    assert read(frame(envelope({"index": 0, "message": {"tool_calls": [{"id": "a"}]}}))) == [(0, Signal.CALL)]


def test_a_call_spelled_with_escapes_is_a_call() -> None:
    raw = chunk(part(id="a", name="get")).replace(b"tool_calls", b"t\\u006fol\\u005fcalls")
    assert b"_call" not in raw
    assert read(raw) == [(0, Signal.CALL)]


def test_a_frame_may_speak_for_several_choices() -> None:
    choices = [
        {"index": 1, "delta": part(id="a", name="get"), "finish_reason": None},
        {"delta": {}, "finish_reason": "stop"},
        {"index": 2, "delta": part(id="b", name="get"), "finish_reason": "tool_calls"},
    ]
    assert read(frame(envelope(*choices))) == [
        (1, Signal.CALL),
        (0, Signal.TURN_END),
        (2, Signal.CALL),
        (2, Signal.TURN_END),
    ]


def test_a_finish_reason_ends_the_turn() -> None:
    reader = ChatReader()
    assert read(chunk({}, 1, "tool_calls"), reader=reader) == [(1, Signal.TURN_END)]
    assert reader.answer.finish_reason == "tool_calls"
    assert read(frame(envelope({"index": 0, "delta": {}, "finish_reason": ""}))) == []
    assert read(frame(envelope({"index": 0, "delta": {}, "finish_reason": 7}))) == [(0, Signal.TURN_END)]


@pytest.mark.parametrize("raw", [DONE, b"data:[DONE]\n\n", b"data: [DONE] \n\n"])
def test_done_ends_the_stream(raw: bytes) -> None:
    assert read(raw) == [(0, Signal.STREAM_END)]


@pytest.mark.parametrize("error", [{"message": "x"}, "x"])
def test_an_error_is_an_error_whatever_else_ends_with_it(error: Any) -> None:
    assert read(frame({"error": error})) == [(0, Signal.ERROR)]
    assert read(chunk({}, finish="error", error=error)) == [(0, Signal.ERROR)]


def test_an_error_beside_a_call_is_a_call() -> None:
    assert read(chunk(part(id="a"), error={"message": "x"})) == [(0, Signal.CALL)]


@pytest.mark.parametrize(
    "data",
    [
        b'{"choices":[{"delta":{"tool_calls":[{}]',
        b'{"choices":[{"delta":{"t\\u006fol\\u005fcalls":[{}]',
        b'{"choices":[{"delta":{"tool_calls":[{}],"tool_calls":null}}]}',
        b'{"choices":[{"delta":{"tool_calls":[{}]},"delta":{}}]}',
        b'{"choices":[{"delta":{"function_call":NaN}}]}',
        b'[{"choices":[{"delta":{"tool_calls":[{}]}}]}]',
        b'{"choices":[{"index":"0","delta":{"tool_calls":[{}]}}]}',
        b'{"x":%b,"tool_calls":1}' % (b"[" * 300 + b"]" * 300),
        b'{"choices":[{"delta":{"content":"\\ud83d","tool_calls":[{}]}}]}',
        b'{"choices":[{"delta":{"content":"\xff","tool_calls":[{}]}}]}',
    ],
)
def test_a_frame_in_which_somebody_could_find_a_call_is_never_plain(data: bytes) -> None:
    with pytest.raises(UnreadableFrame):
        ChatReader().read(data, b"")


def test_the_answer_is_measured_on_the_way() -> None:
    reader = ChatReader()
    read(
        chunk({"role": "assistant", "content": "four"}),
        chunk({"reasoning_content": "five5"}),
        chunk({"refusal": "no"}),
        *call(),
        usage_chunk(),
        reader=reader,
    )
    assert (reader.answer.id, reader.answer.model) == ("chatcmpl-1", "gpt-x")
    assert reader.answer.usage == Usage(9, 5)
    assert reader.answer.text_chars == 4 + 5 + 2 + len('{"city":"zq0 Paris"}')


def test_odd_identities_are_skipped() -> None:
    reader = ChatReader()
    read(frame({"id": 1, "model": 2, "usage": "x"}), frame({"id": "a", "model": None, "choices": []}), reader=reader)
    assert (reader.answer.id, reader.answer.model, reader.answer.usage) == ("a", None, None)


def test_calls_of_a_choice_never_seen_are_none() -> None:
    assert ChatReader().calls(7) == []


def test_a_frame_that_was_not_json_is_not_stripped() -> None:
    reader = ChatReader()
    read(usage_chunk(), b"data: hello\n\n", reader=reader)
    assert reader.strip(b"data: hello\n\n") == b"data: hello\n\n"


def test_the_error_frame_is_openais() -> None:
    raw = ChatReader().error_frame(Refusal("upstream_timeout", "x"))
    assert orjson.loads(raw[6:])["error"]["code"] == "upstream_timeout"


@pytest.mark.parametrize(
    ("delta", "chars"),
    [
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "abc"}]}]}, 3),
        ({"content": [{"type": "text", "text": "ab"}, {"type": "reference", "reference_ids": [1]}, "x", None]}, 2),
        ({"content": "", "reasoning_details": [{"type": "reasoning.summary", "summary": "abcd"}]}, 4),
        ({"reasoning": "abcd", "reasoning_details": [{"type": "reasoning.text", "text": "abcd"}]}, 4),
        ({"reasoning_content": "abcd", "content": None}, 4),
    ],
)
def test_reasoning_counts_in_whatever_form_it_is_shown(delta: dict[str, Any], chars: int) -> None:
    reader = ChatReader()
    reader.read(orjson.dumps({"choices": [{"index": 0, "delta": delta}]}), b"")
    assert reader.answer.text_chars == chars
