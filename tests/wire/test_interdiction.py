"""No unjudged call leaves, whatever a provider sends and wherever the network cuts it; all else is untouched."""

from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.errors import Refusal
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import Release, Ruling, Withhold, allow_all
from gateway.wire.chat_stream import ChatReader
from gateway.wire.interdiction import HoldBudget, Interdiction
from tests.support.chat_streams import (
    DONE,
    Run,
    Story,
    call,
    chunk,
    cut,
    deny,
    envelope,
    frame,
    part,
    stories,
    usage_chunk,
)

CUTS = st.lists(st.integers(0, 100_000), max_size=6)
END = chunk({}, finish="tool_calls")


def mark(index: int) -> bytes:
    return b"zq%d" % index


@pytest.mark.exhaustive
@settings(max_examples=150)
@given(story=stories(broken=False), cuts=CUTS)
def test_with_every_call_allowed_what_leaves_is_what_came(story: Story, cuts: list[int]) -> None:
    run = Run(allow_all, cut(story.stream, cuts))
    assert run.failure is None
    assert run.out == story.stream


@settings(max_examples=40)
@given(story=stories(broken=False, choices=2), line_end=st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_one_byte_at_a_time_and_with_any_line_end_it_is_the_same(story: Story, line_end: bytes) -> None:
    stream = story.stream.replace(b"\n", line_end)
    run = Run(allow_all, cut(stream, range(len(stream))))
    assert run.failure is None
    assert run.out == stream


@pytest.mark.exhaustive
@settings(max_examples=250)
@given(story=stories(broken=True), cuts=CUTS, data=st.data())
def test_no_byte_of_a_denied_call_leaves_wherever_the_stream_ends(
    story: Story, cuts: list[int], data: st.DataObject
) -> None:
    denied = data.draw(st.sets(st.integers(0, story.choices - 1), min_size=1))
    end = data.draw(st.integers(0, len(story.stream)))
    run = Run(deny(*denied), cut(story.stream[:end], cuts))
    for index in denied:
        assert mark(index) not in run.out
    assert run.budget.used == 0


@pytest.mark.exhaustive
@settings(max_examples=150)
@given(story=stories(broken=True), cuts=CUTS)
def test_a_call_that_does_not_add_up_is_withheld_though_the_judge_allows_all(story: Story, cuts: list[int]) -> None:
    run = Run(allow_all, cut(story.stream, cuts))
    for calls in run.judged:
        assert all(one.problem is None for one in calls)
    judged = {calls[0].turn for calls in run.judged}
    for index in range(story.choices):
        assert mark(index) not in run.out or index in judged


@pytest.mark.exhaustive
@settings(max_examples=150)
@given(story=stories(broken=False), cuts=CUTS, data=st.data())
def test_each_choice_is_judged_by_itself(story: Story, cuts: list[int], data: st.DataObject) -> None:
    denied = data.draw(st.sets(st.integers(0, story.choices - 1), min_size=1))
    run = Run(deny(*denied), cut(story.stream, cuts))
    assert run.failure is None
    kept = [raw for raw, owner in zip(story.frames, story.owners, strict=True) if owner not in denied]
    position = 0
    for raw in kept:  # the other choices' frames leave unchanged, in their order
        position = run.out.index(raw, position) + len(raw)
    judged = {calls[0].turn for calls in run.judged}
    for index in denied & judged:
        assert "refused by rule no-tools" in run.text(index)
        assert run.finish(index) in ("stop", "length")


@settings(max_examples=100)
@given(story=stories(broken=True), cuts=CUTS)
def test_a_refused_stream_is_the_same_however_it_is_cut(story: Story, cuts: list[int]) -> None:
    whole, pieces = Run(deny(), [story.stream]), Run(deny(), cut(story.stream, cuts))
    assert pieces.out == whole.out
    assert str(pieces.failure) == str(whole.failure)


def test_a_stream_cut_off_at_any_byte_leaks_nothing_and_fails() -> None:
    stream = b"".join([chunk({"role": "assistant", "content": "I look."}), *call(), END, usage_chunk(), DONE])
    for end in range(len(stream)):
        run = Run(deny(), [stream[:end]])
        assert mark(0) not in run.out
        complete = end >= len(stream) - 2  # the last event may lack its blank line
        assert (run.failure is None) is complete
        if run.failure is not None:
            assert run.failure.code == "upstream_invalid"
            assert run.out.endswith(b"\n\n") or not run.out


def test_text_leaves_at_once_as_the_very_object_that_came() -> None:
    run = Interdiction(ChatReader(), allow_all, budget=HoldBudget())
    run.feed(chunk({"role": "assistant"}))
    for piece in (chunk({"content": "a"}), chunk({"content": "a"}) + chunk({"content": "b"})):
        assert run.feed(piece) is piece


def test_frames_before_a_call_in_the_same_chunk_leave_before_it_is_judged() -> None:
    first, *_ = call()
    run = Run(allow_all, [chunk({"content": "a"}) + first + chunk({"content": "b"}), *call()[1:], END + DONE])
    assert run.steps[0] == chunk({"content": "a"})
    assert run.steps[1:3] == [b"", b""]
    assert run.steps[3].startswith(first)


def test_other_choices_wait_behind_a_held_call_so_that_order_is_kept() -> None:
    frames = [*call(0), chunk({"content": "meanwhile"}, 1), END, chunk({}, 1, "stop"), DONE]
    run = Run(allow_all, frames)
    assert run.steps[:4] == [b""] * 4
    assert run.steps[4] == b"".join(frames[:5])


def test_released_frames_stop_before_a_call_that_is_not_judged_yet() -> None:
    zero, one = call(0), call(1)
    frames = [zero[0], one[0], zero[1], zero[2], END, one[1], one[2], chunk({}, 1, "tool_calls"), DONE]
    run = Run(allow_all, frames)
    assert run.steps[4] == zero[0]
    assert run.steps[7] == b"".join(frames[1:8])


def test_a_denied_choice_waits_for_a_choice_among_its_frames() -> None:
    zero, one = call(0), call(1)
    frames = [zero[0], one[0], zero[1], zero[2], END, one[1], one[2], chunk({}, 1, "tool_calls"), DONE]
    run = Run(deny(0), frames)
    assert run.steps[4] == b""
    assert mark(0) not in run.out
    for raw in one:
        assert raw in run.out
    assert run.finish(0) == "stop"
    both = Run(deny(), frames)
    assert b"zq" not in both.out
    assert [both.finish(0), both.finish(1)] == ["stop", "stop"]
    assert both.out.endswith(DONE)


def test_a_frame_that_carries_two_choices_is_divided() -> None:
    def both(first: str, second: str, finish: str | None = None) -> bytes:
        return frame(
            envelope(
                *(
                    {"index": index, "delta": part(name=name, id=f"zq{index}", arguments="{}"), "finish_reason": finish}
                    for index, name in enumerate((first, second))
                )
            )
        )

    ends = frame(envelope(*({"index": i, "delta": {}, "finish_reason": "tool_calls"} for i in (0, 1))))
    run = Run(deny(0), [both("a", "b"), ends, DONE])
    assert mark(0) not in run.out
    assert mark(1) in run.out
    assert [run.finish(0), run.finish(1)] == ["stop", "tool_calls"]
    again = Run(deny(0), [both("a", "b"), ends, both("c", "d"), ends, DONE])
    assert mark(0) not in again.out
    assert again.text(0).count("refused") == run.text(0).count("refused")


def test_a_second_call_after_the_end_of_a_turn_is_judged_too() -> None:
    late = [chunk(part(1, name="late", id="zq9", arguments="{}")), DONE]
    allowed = Run(allow_all, [*call(), END, *late])
    assert allowed.out == b"".join([*call(), END, *late])
    assert [len(calls) for calls in allowed.judged] == [1, 2]

    def deny_late(calls: Sequence[ToolCall]) -> Ruling:
        return deny()(calls) if len(calls) > 1 else Release()

    denied = Run(deny_late, [*call(), END, *late])
    assert b"zq9" not in denied.out
    assert mark(0) in denied.out
    assert denied.finish() == "stop"


def test_further_parts_of_a_refused_turn_are_dropped_and_its_text_is_not() -> None:
    run = Run(deny(), [*call(), END, *call(position=1), chunk({"content": " bye"}), END, DONE])
    assert mark(0) not in run.out
    assert run.text().endswith(" bye")
    assert run.finish() == "stop"
    assert run.text().count("refused by rule") == 1


def test_what_other_choices_say_beside_a_refused_call_is_kept_and_judged() -> None:
    def beside(delta: dict[str, object]) -> bytes:
        mine = {"index": 0, "delta": part(1, name="zq0", arguments="{}"), "finish_reason": None}
        return frame(envelope(mine, {"index": 1, "delta": delta, "finish_reason": None}))

    refused = [*call(), END]
    text = Run(deny(), [*refused, beside({"content": "hello"}), chunk({}, 1, "stop"), DONE])
    assert (text.text(1), mark(0) in text.out) == ("hello", False)
    second = part(name="f", id="zq1", arguments="{}")
    for denied in ((0,), (0, 1)):
        run = Run(deny(*denied), [*refused, beside(second), chunk({}, 1, "tool_calls"), DONE])
        assert [calls[0].turn for calls in run.judged] == [0, 1]
        assert (mark(0) in run.out, mark(1) in run.out) == (False, 1 not in denied)


def test_a_refusal_ends_the_stream_with_an_error_and_nothing_after_it() -> None:
    refusal = Refusal("approval_required", "wait")
    run = Run(lambda calls: refusal, [chunk({"content": "a"}), *call(), END + chunk({"content": "b"}), DONE])
    assert run.out == chunk({"content": "a"})
    assert run.failure is refusal
    assert run.budget.used == 0


def test_a_refusal_that_is_raised_counts_as_one_returned() -> None:
    def judge(calls: Sequence[ToolCall]) -> Ruling:
        raise Refusal("overloaded", "no")

    run = Run(judge, [*call(), END])
    assert run.failure is not None
    assert run.failure.code == "overloaded"


def test_a_judge_that_breaks_breaks_the_stream_and_nothing_leaves() -> None:
    def judge(calls: Sequence[ToolCall]) -> Ruling:
        raise ZeroDivisionError

    machine = Interdiction(ChatReader(), judge, budget=HoldBudget())
    with pytest.raises(ZeroDivisionError):
        for piece in (*call(), END):
            assert machine.feed(piece) == b""
    machine.discard()
    assert machine.held_bytes == 0


def test_the_end_of_the_stream_ends_every_turn() -> None:
    run = Run(deny(1), [*call(0), *call(1), DONE])
    assert mark(0) in run.out
    assert mark(1) not in run.out
    assert run.finish(1) == "stop"
    assert run.out.endswith(DONE)


def test_held_frames_are_dropped_when_the_provider_reports_an_error() -> None:
    error = frame({"error": {"message": "overloaded", "type": "server_error"}})
    run = Run(allow_all, [chunk({"content": "a"}), *call(), error, *call()])
    assert run.out == chunk({"content": "a"}) + error
    assert run.failure is None
    assert run.machine.ended
    assert run.judged == []


def test_what_was_held_when_the_provider_reported_an_error_never_leaves_later() -> None:
    error, bye = frame({"error": {"message": "overloaded"}}), chunk({"content": "bye"})
    run = Run(allow_all, [*call(), error, bye, END, DONE])
    assert run.out == error + bye + END + DONE
    assert run.budget.used == 0


def test_a_turn_once_refused_stays_refused_through_an_error() -> None:
    error = frame({"error": {"message": "overloaded"}})
    run = Run(deny(), [*call(), END, error, *call(), END, chunk({"content": "x"})])
    assert mark(0) not in run.out
    assert run.failure is None


def test_a_call_after_the_stream_has_ended_is_dropped() -> None:
    run = Run(allow_all, [*call(), END, DONE, *call(1)])
    assert mark(1) not in run.out
    assert run.failure is None


@pytest.mark.parametrize("tail", [b"\n", b": bye", b"\r\n"])
def test_what_follows_the_end_without_data_passes(tail: bytes) -> None:
    assert Run(allow_all, [DONE + tail]).out == DONE + tail


def test_a_cut_event_after_the_end_is_dropped() -> None:
    assert Run(allow_all, [DONE + b'data: {"zq']).out == DONE


@pytest.mark.parametrize("tail", [b"data: [DONE]", b"data: [DONE]\n", b"data: [DONE]\r\n", b"data:[DONE]"])
def test_the_last_event_may_lack_its_blank_line(tail: bytes) -> None:
    assert Run(allow_all, [*call(), END + tail]).out == b"".join([*call(), END, tail])
    denied = Run(deny(), [*call(), tail])
    assert mark(0) not in denied.out
    assert denied.out.endswith(tail)
    assert denied.failure is None


@pytest.mark.parametrize("tail", [b"", b"data: [DON", chunk({"content": "x"})[:-1], b": comment", call()[0][:-1]])
def test_any_other_end_is_a_cut_stream(tail: bytes) -> None:
    run = Run(allow_all, [chunk({"content": "a"}), END, tail])
    assert run.out == chunk({"content": "a"}) + END
    assert run.failure is not None
    assert run.failure.code == "upstream_invalid"


def test_a_tail_that_cannot_be_read_is_a_failure() -> None:
    run = Run(allow_all, [chunk({"content": "a"}), b'data: {"tool_calls"'])
    assert run.failure is not None
    assert "cannot be judged" in run.failure.message


@pytest.mark.parametrize("before", [[], call()])
@pytest.mark.parametrize("together", [True, False])
def test_a_frame_that_cannot_be_read_stops_the_stream(before: list[bytes], together: bool) -> None:
    frames = [chunk({"content": "a"}), *before, b'data: {"choices":[{"delta":{"tool_calls":[}\n\n', END, DONE]
    run = Run(allow_all, [b"".join(frames)] if together else frames)
    assert run.out == chunk({"content": "a"})
    assert run.failure is not None
    assert run.failure.code == "upstream_invalid"
    assert run.machine.feed(DONE) == b""
    assert run.machine.close() == b""


def test_a_frame_past_the_limit_stops_the_stream_after_those_before_it() -> None:
    run = Run(allow_all, [chunk({"content": "a"}) + b"data: " + b"x" * 2000], frame_limit=1000)
    assert run.out == chunk({"content": "a"})
    assert run.failure is not None
    assert "too long" in run.failure.message


def test_the_first_of_two_failures_in_one_chunk_counts() -> None:
    run = Run(
        allow_all, [chunk({"content": "a"}) + b'data: {"tool_calls"\n\n' + b"data: " + b"x" * 2000], frame_limit=1000
    )
    assert run.out == chunk({"content": "a"})
    assert run.failure is not None
    assert "cannot be judged" in run.failure.message


@pytest.mark.parametrize("waiting", [call()[1], chunk({"content": "x" * 100}, 1)])
def test_a_hold_past_the_limit_stops_the_stream(waiting: bytes) -> None:
    run = Run(allow_all, [call()[0], *[waiting] * 20, END, DONE], turn_limit=2000)
    assert run.out == b""
    assert run.failure is not None
    assert run.failure.code == "upstream_invalid"
    assert run.budget.used == 0


def test_the_limit_of_a_hold_is_exact() -> None:
    held = len(b"".join([*call(), END]))
    for limit, failed in ((held, False), (held - 1, True)):
        run = Run(allow_all, [*call(), END, DONE], turn_limit=limit)
        assert (run.failure is not None) is failed


def test_each_turn_that_waits_may_hold_as_much() -> None:
    ends = [END, chunk({}, 1, "tool_calls")]
    limit = len(b"".join([*call(), *ends]))
    stream = [*call(0), *call(1), *ends, DONE]
    assert len(b"".join(stream[:6])) > limit
    run = Run(allow_all, stream, turn_limit=limit)
    assert (run.failure, run.out) == (None, b"".join(stream))


def test_a_budget_that_others_have_used_up_stops_the_stream() -> None:
    budget = HoldBudget(limit=len(b"".join([*call(), END])))
    first = Interdiction(ChatReader(), allow_all, budget=budget)
    second = Interdiction(ChatReader(), allow_all, budget=budget)
    first.feed(b"".join(call()))
    assert budget.used == first.held_bytes > 0
    assert second.feed(b"".join(call())) == b""
    assert second.failure is not None
    assert second.failure.code == "overloaded"
    assert first.feed(END) == b"".join(call()) + END
    assert budget.used == 0


def test_whoever_leaves_gives_the_budget_back() -> None:
    budget = HoldBudget()
    machine = Interdiction(ChatReader(), allow_all, budget=budget)
    machine.feed(call()[0])
    assert budget.used > 0
    machine.discard()
    machine.discard()
    assert budget.used == 0


def test_comments_may_be_written_between_frames_until_an_id_was_seen() -> None:
    machine = Interdiction(ChatReader(), allow_all, budget=HoldBudget())
    assert machine.between_frames
    machine.feed(chunk({"content": "a"}) + b"data: {")
    assert machine.between_frames
    machine.feed(b"}\n\nid: 7\ndata: {}\n\n")
    assert not machine.between_frames


@pytest.mark.parametrize("last", [DONE, b"data: {'tool_calls'}\n\n"])
def test_no_comment_follows_the_end(last: bytes) -> None:
    machine = Interdiction(ChatReader(), allow_all, budget=HoldBudget())
    machine.feed(last)
    assert not machine.between_frames


def test_comments_and_other_fields_pass_and_wait_in_order() -> None:
    frames = [b": hi\n\n", b"retry: 5\n\n", *call(), b": held\n\n", END, DONE]
    run = Run(allow_all, frames)
    assert run.out == b"".join(frames)
    denied = Run(deny(), frames)
    assert b": held\n\n" in denied.out


def test_the_machine_tells_what_was_ruled() -> None:
    run = Run(deny(1), [*call(0), *call(1), DONE])
    assert [(turn, type(ruling)) for turn, ruling in run.machine.rulings] == [(0, Release), (1, Withhold)]
    assert [one.tool for one in run.machine.denied] == ["get_weather"]
    assert list(run.reader.answer.calls) == [0, 1]


def test_parts_that_make_no_call_stop_the_stream() -> None:
    class Empty(ChatReader):
        def calls(self, turn: int) -> Sequence[ToolCall]:
            return ()

    machine = Interdiction(Empty(), allow_all, budget=HoldBudget())
    assert machine.feed(b"".join([*call(), END])) == b""
    assert machine.failure is not None


USAGE_NULL = [chunk({"content": "a"}, usage=None), *call(), chunk({}, finish="tool_calls", usage=None)]


def test_usage_that_only_the_gateway_asked_for_is_taken_out() -> None:
    run = Run(allow_all, [*USAGE_NULL, usage_chunk(), DONE], strip=True)
    assert run.out == b"".join([chunk({"content": "a"}), *call(), END, DONE])
    assert run.reader.answer.usage is not None
    assert run.reader.answer.usage.output_tokens == 5


def test_usage_is_taken_out_of_a_refused_stream_too() -> None:
    run = Run(deny(), [*USAGE_NULL, usage_chunk(), DONE], strip=True)
    assert b"usage" not in run.out
    assert run.finish() == "stop"


def test_a_denied_answer_keeps_what_is_said_around_it_readable() -> None:
    run = Run(deny(), [chunk({"role": "assistant", "content": "Let me see."}), *call(), END, usage_chunk(), DONE])
    assert run.text().startswith("Let me see.\n\nThe call to the tool get_weather was refused by rule no-tools")
    assert run.out.endswith(usage_chunk() + DONE)
    assert orjson.loads(run.out.split(b"\n\n")[-4][6:])["choices"][0]["leuko"] == {
        "denied": [{"tool": "get_weather", "rule": "no-tools", "decision_id": "dec_1"}]
    }
