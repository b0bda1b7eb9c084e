"""A refused choice says so and ends like any other; everything around it stays."""

from typing import Any

import orjson
import pytest

from gateway.model.verdict import Denial, Withhold, allow_all
from gateway.wire.chat_refusal import StreamRefusal, refuse_choice
from tests.support.chat_streams import DONE, Run, call, chunk, deny, documents, envelope, frame, part, usage_chunk

RULING = Withhold("Refused.", (Denial("get", "rule-1", "no", "dec_1"),))
LEUKO = {"denied": [{"tool": "get", "rule": "rule-1", "decision_id": "dec_1"}]}
END = chunk({}, finish="tool_calls")


def rewrite(*frames: bytes, turn: int = 0, role: bool = False, text: bool = False, silent: bool = False) -> list[Any]:
    out = StreamRefusal(turn, RULING, needs_role=role, after_text=text, silent=silent).rewrite(frames)
    assert b"zq" not in out
    return documents(out)


def test_the_text_is_said_and_the_turn_ends() -> None:
    said, ended = rewrite(*call(), END, role=True)
    assert said["choices"] == [
        {"index": 0, "delta": {"role": "assistant", "content": "Refused."}, "finish_reason": None}
    ]
    assert ended["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop", "leuko": LEUKO}]
    for document in (said, ended):
        assert {key: document[key] for key in ("id", "object", "created", "model", "system_fingerprint")} == {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": "gpt-x",
            "system_fingerprint": "fp_1",
        }


def test_a_cut_answer_stays_cut() -> None:
    assert rewrite(*call(), chunk({}, finish="length"))[-1]["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("finish", ["tool_calls", "function_call", "content_filter", "stop"])
def test_every_other_end_is_an_ordinary_one(finish: str) -> None:
    assert rewrite(*call(), chunk({}, finish=finish))[-1]["choices"][0]["finish_reason"] == "stop"


def test_text_beside_a_call_stays_and_the_refusal_stands_apart_from_it() -> None:
    mixed = chunk({"role": "assistant", "content": "Look: ", **part(id="zq0", name="get")})
    documents = rewrite(mixed, chunk({"content": "here"}), END, role=True, text=True)
    assert [document["choices"][0]["delta"] for document in documents] == [
        {"role": "assistant", "content": "Look: "},
        {"content": "here"},
        {"content": "\n\nRefused."},
        {},
    ]


def test_a_plain_frame_of_the_choice_stays_byte_for_byte_and_may_bring_the_role() -> None:
    plain = chunk({"role": "assistant", "content": "Hi"})
    out = StreamRefusal(0, RULING, needs_role=True, after_text=True, silent=False).rewrite([*call()[:1], plain, END])
    assert plain in out
    assert b'"role"' not in out.replace(plain, b"")


def test_frames_that_are_no_chunk_of_the_choice_stay_byte_for_byte() -> None:
    others = [b": ping\n\n", b"data: x\n\n", chunk({"content": "a"}, 1), usage_chunk(), DONE]
    frames = [call()[0], *others[:3], END, *others[3:]]
    out = StreamRefusal(0, RULING, needs_role=False, after_text=False, silent=False).rewrite(frames)
    position = 0
    for raw in others:
        position = out.index(raw, position) + len(raw)
    assert out.endswith(usage_chunk() + DONE)


def test_usage_in_the_last_chunk_of_a_choice_stays() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    *_, ended = rewrite(*call(), chunk({}, finish="tool_calls", usage=usage))
    assert ended["usage"] == usage
    early, *_ = rewrite(chunk(part(id="zq0"), usage=usage), END)
    assert (early["usage"], early["choices"]) == (usage, [])


def test_token_probabilities_of_a_call_do_not_leave() -> None:
    choice = {"index": 0, "delta": part(id="zq0"), "logprobs": {"content": [{"token": "zq0"}]}, "finish_reason": None}
    rewrite(frame(envelope(choice, zq="zq")), END)


def test_without_a_finish_reason_the_refusal_still_ends_the_turn() -> None:
    assert rewrite(*call(), DONE)[-1]["choices"][0]["finish_reason"] == "stop"


def test_an_earlier_end_within_the_frames_counts() -> None:
    documents = rewrite(chunk({}, finish="length"), *call())
    assert [one["choices"][0]["finish_reason"] for one in documents] == [None, "length"]


def test_said_once_is_said() -> None:
    assert rewrite(*call(), silent=True) == []
    (ended,) = rewrite(*call(), END, silent=True)
    assert ended["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]


def test_other_choices_in_a_frame_keep_their_part() -> None:
    other = {"index": 1, "delta": {"content": "mine"}, "finish_reason": None}
    raw = frame(envelope({"index": 0, "delta": {**part(id="zq0"), "content": "text"}, "finish_reason": None}, other))
    said, kept, *_ = rewrite(raw, END)
    assert said["choices"][0]["delta"] == {"content": "text"}
    assert kept["choices"] == [other]


def test_no_frame_of_the_choice_changes_nothing() -> None:
    frames = [b": a\n\n", chunk({"content": "a"}, 1)]
    assert StreamRefusal(0, RULING, False, False, False).rewrite(frames) == b"".join(frames)


@pytest.mark.parametrize(
    "before",
    [[], [chunk({"content": "a"})], [chunk({"role": "assistant"})], [chunk({"role": "assistant", "content": "a"})]],
)
@pytest.mark.parametrize("role", [{}, {"role": "assistant"}])
def test_a_refused_choice_names_its_role_once(before: list[bytes], role: dict[str, str]) -> None:
    named_before = b"role" in b"".join(before)
    first = chunk({**({} if named_before else role), **part(id="zq0", name="get")})
    run = Run(deny(), [*before, first, *call()[1:], END, DONE])
    assert sum("role" in choice["delta"] for choice in run.choices()) == 1


def test_the_role_of_a_released_call_is_not_repeated_by_a_later_refusal() -> None:
    first = chunk({"role": "assistant", **part(id="zq1", name="get", arguments="{}")})
    late = chunk(part(1, id="zq0", name="get", arguments="{}"))
    run = Run(lambda calls: deny()(calls) if len(calls) > 1 else allow_all(calls), [first, END, late, DONE])
    assert sum("role" in choice["delta"] for choice in run.choices()) == 1
    assert b"zq0" not in run.out


MESSAGE = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "zq"}],
    "function_call": {"name": "zq"},
    "x": "zq",
}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "Refused."),
        ("", "Refused."),
        ("Look.", "Look.\n\nRefused."),
        ([{"type": "text", "text": "a"}], [{"type": "text", "text": "a"}, {"type": "text", "text": "Refused."}]),
    ],
)
def test_a_whole_choice_says_the_refusal_after_its_text(content: Any, said: Any) -> None:
    choice = {
        "index": 3,
        "message": {**MESSAGE, "content": content},
        "finish_reason": "tool_calls",
        "logprobs": {"content": ["zq"]},
    }
    refused = refuse_choice(choice, RULING)
    assert refused == {
        "index": 3,
        "message": {"role": "assistant", "content": said},
        "finish_reason": "stop",
        "leuko": LEUKO,
        "logprobs": None,
    }
    assert b"zq" in orjson.dumps(choice)


def test_a_whole_choice_that_was_cut_stays_cut() -> None:
    refused = refuse_choice({"message": MESSAGE, "finish_reason": "length"}, RULING)
    assert refused["finish_reason"] == "length"
    assert "logprobs" not in refused
