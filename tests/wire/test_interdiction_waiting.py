"""A ruling may take its time: until it is there nothing of its turn leaves, and afterwards it is as if it had not."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.errors import Refusal
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import RELEASE, Judge, Ruling, Wait, allow_all
from gateway.wire.chat_stream import ChatReader
from gateway.wire.dialect import StreamReader
from gateway.wire.interdiction import HoldBudget, Interdiction
from tests.support.chat_streams import DONE, Run, Story, call, chunk, cut, deny, frame, stories
from tests.support.transcripts import MARK, deny_all, dialect_of, load, names
from tests.support.transcripts import Run as TranscriptRun

CUTS = st.lists(st.integers(0, 100_000), max_size=6)
END = chunk({}, finish="tool_calls")


def mark(index: int) -> bytes:
    return b"zq%d" % index


class Slow:
    """A stream sent through a machine whose judge never answers at once.

    `patience` says of each wait how many chunks come before its ruling is there.
    """

    def __init__(
        self,
        judge: Judge,
        chunks: Sequence[bytes],
        patience: Callable[[], int] = lambda: 0,
        reader: StreamReader | None = None,
        **limits: int,
    ) -> None:
        self.judge, self.patience = judge, patience
        self.budget = HoldBudget()
        self.asked: list[Sequence[ToolCall]] = []
        self.left_while_waiting: list[tuple[int, bytes]] = []
        self.machine = Interdiction(reader or ChatReader(), self._wait, budget=self.budget, **limits)
        self.due, self.out = 0, b""
        for piece in chunks:
            self._note(self.machine.feed(piece))
            self.due -= 1
            self._resolve(only_due=True)
        self._resolve()
        self._note(self.machine.close())
        self._resolve()
        self.machine.discard()

    def _wait(self, calls: Sequence[ToolCall]) -> Wait:
        async def unused() -> Ruling:
            raise NotImplementedError

        self.asked.append(calls)
        self.due = self.patience()
        return Wait(unused)

    def _resolve(self, *, only_due: bool = False) -> None:
        while self.machine.waiting is not None and not (only_due and self.due > 0):
            ruling = self.judge(self.asked[-1])
            assert not isinstance(ruling, Wait)
            self._note(self.machine.resolve(ruling))

    def _note(self, left: bytes) -> None:
        self.out += left
        if self.machine.waiting is not None:
            self.left_while_waiting.append((self.asked[-1][0].turn, self.out))


def same_as_at_once(judge: Judge, chunks: Sequence[bytes], patience: Callable[[], int]) -> Slow:
    slow, at_once = Slow(judge, chunks, patience), Run(judge, chunks)
    assert slow.out == at_once.out
    assert str(slow.machine.failure) == str(at_once.failure)
    assert [type(one) for one in slow.machine.rulings] == [type(one) for one in at_once.machine.rulings]
    assert slow.machine.ended == at_once.machine.ended
    assert slow.budget.used == 0
    return slow


@settings(max_examples=150)
@given(story=stories(broken=False), cuts=CUTS, data=st.data())
def test_what_was_released_after_waiting_is_what_came(story: Story, cuts: list[int], data: st.DataObject) -> None:
    slow = Slow(allow_all, cut(story.stream, cuts), lambda: data.draw(st.integers(0, 3)))
    assert slow.machine.failure is None
    assert slow.out == story.stream
    assert slow.budget.used == 0


@pytest.mark.exhaustive
@settings(max_examples=200)
@given(story=stories(broken=True), cuts=CUTS, data=st.data())
def test_however_long_rulings_take_what_leaves_is_the_same(story: Story, cuts: list[int], data: st.DataObject) -> None:
    denied = data.draw(st.sets(st.integers(0, story.choices - 1)))
    judge = deny(*denied) if denied else allow_all
    same_as_at_once(judge, cut(story.stream, cuts), lambda: data.draw(st.integers(0, 3)))


@pytest.mark.exhaustive
@settings(max_examples=150)
@given(story=stories(broken=False), cuts=CUTS, data=st.data())
def test_no_byte_of_a_turn_leaves_while_it_waits(story: Story, cuts: list[int], data: st.DataObject) -> None:
    slow = Slow(allow_all, cut(story.stream, cuts), lambda: data.draw(st.integers(0, 5)))
    for turn, out in slow.left_while_waiting:
        assert mark(turn) not in out


def test_the_turns_of_one_frame_wait_one_after_the_other() -> None:
    slow = same_as_at_once(deny(1), [*call(0), *call(1), DONE], lambda: 9)
    assert [calls[0].turn for calls in slow.asked] == [0, 1]
    assert mark(0) in slow.out
    assert mark(1) not in slow.out


def test_a_second_call_of_a_turn_that_waits_is_judged_by_itself_afterwards() -> None:
    late = chunk({"tool_calls": [{"index": 1, "id": "zq9", "function": {"name": "late", "arguments": "{}"}}]})

    def deny_late(calls: Sequence[ToolCall]) -> Ruling | Wait:
        return deny()(calls) if len(calls) > 1 else RELEASE

    slow = same_as_at_once(deny_late, [*call(), END + late, DONE], lambda: 5)
    assert [len(calls) for calls in slow.asked] == [1, 2]
    assert b"zq9" not in slow.out


def test_an_error_of_the_provider_does_not_undo_calls_that_were_complete() -> None:
    error = frame({"error": {"message": "overloaded"}})
    slow = same_as_at_once(allow_all, [*call(), END, error], lambda: 5)
    assert slow.out == b"".join([*call(), END, error])


def test_a_stream_has_not_ended_while_a_ruling_on_it_is_awaited() -> None:
    machine = Interdiction(ChatReader(), lambda calls: Wait(_never), budget=HoldBudget())
    machine.feed(b"".join(call()) + DONE)
    assert (machine.waiting is not None, machine.ended, machine.between_frames) == (True, False, True)
    assert machine.resolve(RELEASE) == b"".join(call()) + DONE
    assert (machine.waiting, machine.ended, machine.between_frames) == (None, True, False)


def test_the_last_event_may_lack_its_blank_line_and_its_calls_wait_all_the_same() -> None:
    slow = same_as_at_once(allow_all, [*call(), DONE.rstrip()], lambda: 0)
    assert slow.out == b"".join(call()) + DONE.rstrip()


@pytest.mark.parametrize("refused", [Refusal("approval_required", "rejected")])
def test_a_refusal_after_waiting_ends_the_stream(refused: Refusal) -> None:
    slow = Slow(lambda calls: refused, [chunk({"content": "a"}), *call(), END + chunk({"content": "b"}), DONE])
    assert slow.out == chunk({"content": "a"})
    assert slow.machine.failure is refused
    assert slow.budget.used == 0


def test_what_comes_while_waiting_counts_as_held() -> None:
    stream = [*call(), END, *[chunk({"content": "x" * 100})] * 20, DONE]
    slow = Slow(allow_all, stream, lambda: 99, turn_limit=2000)
    assert slow.out == b""
    assert slow.machine.failure is not None
    assert slow.machine.failure.code == "upstream_invalid"
    assert slow.budget.used == 0
    assert slow.machine.resolve(RELEASE) == b""


def test_a_stream_closed_while_waiting_fails_and_nothing_leaves() -> None:
    budget = HoldBudget()
    machine = Interdiction(ChatReader(), lambda calls: Wait(_never), budget=budget)
    assert machine.feed(b"".join([*call(), END])) == b""
    assert machine.close() == b""
    assert machine.failure is not None
    assert budget.used == 0


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [*names("responses"), *names("messages")])
@pytest.mark.parametrize("patience", [0, 1, 1000])
@pytest.mark.parametrize("judge", [allow_all, deny_all], ids=["allowed", "denied"])
def test_in_every_dialect_waiting_changes_nothing(name: str, patience: int, judge: Judge) -> None:
    data = load(name)
    for size in (len(data), 97):
        chunks = [data[at : at + size] for at in range(0, len(data), size)]
        reader = dialect_of(name).reader()
        slow, at_once = Slow(judge, chunks, lambda: patience, reader), TranscriptRun(dialect_of(name), judge, chunks)
        error = b"" if slow.machine.failure is None else reader.error_frame(slow.machine.failure)
        assert slow.out + error == at_once.out
        assert slow.budget.used == 0
        for _, out in slow.left_while_waiting:
            assert MARK not in out


async def _never() -> Ruling:
    raise NotImplementedError
