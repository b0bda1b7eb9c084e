"""The older completions API: text that passes and is measured."""

from typing import Any

import orjson
import pytest

from gateway.model.answer import Usage
from gateway.model.errors import Refusal, UnreadableRequest
from gateway.model.verdict import Withhold, allow_all
from gateway.wire.completions import COMPLETIONS, CompletionsReader
from gateway.wire.dialect import Signal
from gateway.wire.interdiction import HoldBudget, Interdiction
from tests.support.chat_streams import DONE, cut, frame

TEXT = {"id": "cmpl-1", "object": "text_completion", "model": "m", "choices": [{"index": 0, "text": "four"}]}
END = {**TEXT, "choices": [{"index": 0, "text": "", "finish_reason": "stop"}]}
USAGE = {"prompt_tokens": 2, "completion_tokens": 1}


def test_a_request_is_read() -> None:
    document = {
        "model": "m",
        "prompt": ["a"],
        "stream": True,
        "max_tokens": 5,
        "stream_options": {"include_usage": True},
    }
    ask = COMPLETIONS.read_request(document)
    assert (ask.model, ask.stream, ask.max_output_tokens, ask.wants_usage) == ("m", True, 5, True)
    assert ask.tools == ()


def test_a_model_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(UnreadableRequest):
        COMPLETIONS.read_request({"model": ["m"]})
    with pytest.raises(UnreadableRequest, match="best_of must be a whole number"):
        COMPLETIONS.read_request({"best_of": "100"})


def test_a_whole_answer_is_measured_and_never_rewritten() -> None:
    document = {**END, "choices": [{"text": "four", "finish_reason": "length"}, {"text": 1}, "x"], "usage": USAGE}
    answer = COMPLETIONS.read_answer(document)
    assert (answer.id, answer.model, answer.text_chars, answer.finish_reason) == ("cmpl-1", "m", 4, "length")
    assert answer.usage == Usage(2, 1)
    assert COMPLETIONS.withhold(document, {0: Withhold("x", ())}) is document


@pytest.mark.parametrize("strip", [False, True])
def test_a_stream_passes_and_is_measured(strip: bool) -> None:
    asked = [frame({**TEXT, "usage": None}), frame({**END, "usage": None})]
    asked.append(frame({**TEXT, "choices": [], "usage": USAGE}))
    plain = [frame(TEXT), frame(END)]
    reader = COMPLETIONS.reader()
    machine = Interdiction(reader, allow_all, budget=HoldBudget(), strip=strip)
    stream = b"".join(asked) + DONE
    out = b"".join(machine.feed(piece) for piece in cut(stream, range(0, 400, 7))) + machine.close()
    assert out == (b"".join(plain) + DONE if strip else stream)
    assert machine.failure is None
    assert (reader.answer.text_chars, reader.answer.finish_reason, reader.answer.usage) == (4, "stop", Usage(2, 1))


@pytest.mark.parametrize(
    ("data", "signals"),
    [
        (b"[DONE]", [(0, Signal.STREAM_END)]),
        (b'{"error":{"message":"x"}}', [(0, Signal.ERROR)]),
        (b'{"choices":[{"text":"tool_calls","tool_calls":[{}]}]}', []),
        (b"[1]", []),
        (b"tool_calls", []),
    ],
)
def test_what_frames_mean(data: bytes, signals: list[Any]) -> None:
    assert list(CompletionsReader().read(data, b"")) == signals


def test_there_are_no_calls_and_nothing_to_withhold() -> None:
    reader = CompletionsReader()
    assert reader.calls(0) == ()
    assert reader.withhold(0, [b"a", b"b"], Withhold("x", ())) == b"ab"


def test_a_refusal_has_openais_form() -> None:
    refusal = Refusal("overloaded", "x")
    assert orjson.loads(COMPLETIONS.error_body(refusal))["error"]["code"] == "overloaded"
    assert CompletionsReader().error_frame(refusal).endswith(b"\n\n")
