"""The limits, what is one call, and real runs: `data/tau2_loops.txt` says where they are from."""

import string
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.immune.calls import followed
from gateway.immune.loops import Loop, loop_in, looping
from gateway.immune.settings import LoopLimits
from gateway.model.transcript import MadeCall, Said, Transcript

RUNS = Path(__file__).with_name("data") / "tau2_loops.txt"


class Talk:
    """A conversation that grows; `A` is tool `A` with result `A`."""

    def __init__(self) -> None:
        self.said: list[Said] = [Said("user", "You are an agent.")]
        self.calls: list[MadeCall] = []
        self.failed: set[str] = set()

    def turn(self, *calls: tuple[str, Any, str | None], failed: bool = False) -> "Talk":
        position, first = len(self.said), len(self.calls)
        for number, (tool, arguments, result) in enumerate(calls, first):
            self.calls.append(MadeCall(tool, arguments, f"c{number}", position))
            if result is not None:
                self.said.append(Said("tool", result, tool, f"c{number}"))
            if failed:
                self.failed.add(f"c{number}")
        return self

    def word(self, text: str) -> "Talk":
        self.said.append(Said("user", text))
        return self

    def loop(self, limits: LoopLimits | None = None) -> Loop | None:
        transcript = Transcript(tuple(self.said), tuple(self.calls))
        loop = loop_in(transcript, self.is_failed, limits)
        assert loop == looping(*followed(transcript, self.is_failed), limits)  # the short cut says the same
        return loop

    def is_failed(self, said: Said) -> bool:
        return said.call_id in self.failed


def loops(script: str, limits: LoopLimits | None = None) -> list[Loop | None]:
    """What is said after each call of a script: `.` is a new word of a person, `!` after a letter a failure."""
    talk, said = Talk(), []
    for index, letter in enumerate(script):
        if letter == ".":
            talk.word(f"word {index}")
        elif letter != "!":
            failed = script[index + 1 : index + 2] == "!"
            said.append(talk.turn((letter, {}, letter), failed=failed).loop(limits))
    return said


def kinds(script: str, limits: LoopLimits | None = None) -> list[tuple[str, int, bool] | None]:
    return [loop and (loop.kind, loop.count, loop.blocks) for loop in loops(script, limits)]


def test_four_identical_calls_are_suspect_and_six_of_the_last_ten_block() -> None:
    found = kinds("AAAAAA")
    assert found[:3] == [None] * 3
    assert found[3:] == [
        ("identical_calls", 4, False),
        ("identical_calls", 5, False),
        ("identical_calls", 6, True),
    ]
    assert kinds("AABABACADA")[-1] == ("identical_calls", 6, True)
    assert kinds("AXABACADYAZA")[-1] != ("identical_calls", 6, True)


def test_a_longer_circle_is_found_by_its_fourth_round() -> None:
    found = kinds("ABCD" * 4)
    assert found[:12] == [None] * 12
    assert found[12] == ("identical_calls", 4, False)


def test_looking_again_after_new_work_is_no_loop() -> None:
    assert not any(loops("ABCDEFGHIJKLGMNGOPGQR"))
    assert not any(loops("ABCDEFGHIJKLMKNOPKQRKSTUVWKX"))


def test_every_other_call_is_a_loop_whatever_stands_between() -> None:
    assert kinds("AXAYAZA")[-1] == ("identical_calls", 4, False)


def test_doing_again_what_a_person_asks_for_again_is_no_loop_until_it_blocks() -> None:
    found = loops(".A.A.A.A.A.A")
    assert not any(found[:5])
    assert found[5] == Loop("identical_calls", 6, "A", True)


def test_the_same_reminder_each_time_is_no_new_word() -> None:
    talk = Talk()
    for _ in range(4):
        talk.turn(("A", {}, "same")).word("Continue.")
    assert talk.loop() == Loop("identical_calls", 4, "A", False)


def test_two_calls_in_turn_three_times_are_suspect_and_five_times_block() -> None:
    found = kinds("AB" * 5)
    assert found[4] is None
    assert found[5] == ("alternation", 3, False)
    assert found[9] == ("alternation", 5, True)
    assert not any(loops("AB.AB.AB."))


def test_five_tool_errors_in_a_row_are_suspect_and_ten_block() -> None:
    found = kinds("".join(f"{letter}!" for letter in string.ascii_uppercase[:10]))
    assert found[3] is None
    assert found[4] == ("tool_errors", 5, False)
    assert found[9] == ("tool_errors", 10, True)
    assert not any(loops("A!B!C!D!EF!G!H!I!"))


def test_a_hundred_calls_are_said_once() -> None:
    talk, found = Talk(), []
    for number in range(202):
        loop = talk.turn((f"tool{number}", {}, str(number))).loop()
        if loop:
            found.append((number + 1, loop.kind, loop.count, loop.blocks))
    assert found == [(100, "conversation_calls", 100, False), (200, "conversation_calls", 200, False)]


def test_polling_is_called_again_by_intention() -> None:
    limits = LoopLimits(polling=frozenset("A"))
    assert not any(loops("AAAAAAAAAA", limits))
    assert kinds("BABABAB", limits)[-1] == ("identical_calls", 4, False)


def test_another_result_is_progress() -> None:
    talk = Talk()
    for percent in range(12):
        assert talk.turn(("status", {"job": 1}, f"{percent} % done")).loop() is None


@pytest.mark.parametrize(
    "result",
    [
        "created at 2026-11-21T10:00:{0:02}.123Z",
        "21:14:{0:02} nothing new",
        '{{"id": "3f2504e0-4f89-41d3-9a0c-0305e82c33{0:02x}", "ok": true}}',
        '{{"request": "req_abcdefgh{0}", "items": []}}',
        "[] (took {0}.7 ms)",
        "time 17637600{0:02}",
        "etag 0123456789abcdef0{0}",
    ],
)
def test_ids_and_times_make_no_other_result(result: str) -> None:
    talk = Talk()
    for number in range(4):
        talk.turn(("get", {"a": 1}, result.format(number)))
    assert talk.loop() == Loop("identical_calls", 4, "get", False)


@pytest.mark.parametrize("values", [("W123", "W124"), ("2026-11-21", "2026-11-22"), (1, 2), ("a", "A"), (True, 1)])
def test_other_arguments_are_another_call(values: tuple[Any, Any]) -> None:
    talk = Talk()
    for number in range(3):
        talk.turn(("get", {"value": values[number % 2]}, "none"))
    assert talk.turn(("get", {"value": values[1]}, "none")).loop() is None


def test_the_order_of_members_and_the_form_of_numbers_make_no_other_call() -> None:
    talk = Talk()
    forms: Sequence[Any] = [{"a": 1, "b": [2]}, {"b": [2], "a": 1}, {"a": 1.0, "b": [2.0]}]
    for arguments in (*forms, {"a": 1, "b": [2], "request_id": "r7"}):
        talk.turn(("get", arguments, "none"))
    assert talk.loop() == Loop("identical_calls", 4, "get", False)


@pytest.mark.parametrize("arguments", [None, "not json {", {"a": {1: "\ud800"}}, [[[]]], {"x": b"1"}])
def test_arguments_may_be_anything(arguments: Any) -> None:
    talk = Talk()
    for _ in range(4):
        talk.turn(("get", arguments, None))
    assert talk.loop() == Loop("identical_calls", 4, "get", False)


def test_deep_arguments_do_no_harm() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert Talk().turn(("get", deep, "x")).loop() is None


def test_parallel_calls_count_each() -> None:
    same = ("A", {}, "same")
    assert Talk().turn(same, same, same, same).loop() == Loop("identical_calls", 4, "A", False)


class Counted(dict[str, Any]):
    """Arguments that count how often they are compared."""

    times = 0

    def __eq__(self, other: object) -> bool:
        Counted.times += 1
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]


def test_of_many_calls_at_once_not_each_is_compared_with_each() -> None:
    talk = Talk()
    talk.turn(*[("t", Counted(a=number), "ok") for number in range(128)])
    talk.turn(*[("t", Counted(a=1000 + number), "ok") for number in range(4000)])
    Counted.times = 0
    loop = talk.loop()
    assert loop is not None and loop.kind == "conversation_calls" and Counted.times < 2_000


def test_once_the_model_has_answered_the_loop_is_over_for_those_who_watch() -> None:
    talk = Talk()
    for _ in range(5):
        talk.turn(("A", {}, "same"))
    assert talk.loop() is not None
    talk.said.append(Said("model", "I give up."))
    assert talk.word("thanks").loop() is None


def test_the_finding_says_what_repeats() -> None:
    finding = Loop("identical_calls", 6, "A", True).finding(5.0, "agt_1", "req_1", model="m", conversation="c")
    assert (finding.type, finding.metric, finding.hard, finding.conversation) == (
        "tool_loop",
        "identical_calls",
        True,
        "c",
    )
    assert finding.detail == {"tool": "A", "count": 6}
    assert Loop("tool_errors", 5, "A", False).finding(5.0, "agt_1", "req_1").type == "error_rate_spike"
    assert Loop("conversation_calls", 100, "A", False).finding(5.0, "agt_1", "req_1").type == "tool_explosion"


@given(st.lists(st.sampled_from(["A", "B", "C", "A!", "."]), max_size=40).map("".join))
def test_more_of_the_same_is_never_less_of_a_loop(script: str) -> None:
    assert loops(script + "AAAAAA")[-1] == Loop(
        "identical_calls", max(6, loops(script + "AAAAAA")[-1].count), "A", True
    )


def _runs() -> Iterator[tuple[str, Iterable[str]]]:
    for line in RUNS.read_text().splitlines():
        if not line.startswith("#"):
            _, _, end, *events = line.split(" ")
            yield end, events


def _found_at(events: Iterable[str]) -> tuple[int | None, int | None]:
    """By which tool call a run is suspected, and by which it is blocked."""
    talk, suspected, blocked = Talk(), None, None
    for index, event in enumerate(events):
        if event in ".,":
            talk.word("again" if event == "," else f"word {index}")
        elif event:
            call = event.rstrip(string.ascii_lowercase + "!")
            loop = talk.turn(("tool", {"n": call}, event), failed=event.endswith("!")).loop()
            if loop is not None and loop.kind != "conversation_calls":
                suspected = suspected or len(talk.calls)
                blocked = blocked or (len(talk.calls) if loop.blocks else None)
    return suspected, blocked


@pytest.mark.exhaustive
def test_real_loops_are_found_by_their_twelfth_call_and_real_work_is_not_flagged() -> None:
    runs = [(end, *_found_at(events)) for end, events in _runs()]
    loops = [suspected for end, suspected, _ in runs if end == "max_steps"]
    assert len(loops) == 5 and all(at is not None and at <= 12 for at in loops)
    assert all(blocked is not None for end, _, blocked in runs if end == "max_steps")
    normal = [(suspected, blocked) for end, suspected, blocked in runs if end in ("user_stop", "agent_stop")]
    assert len(normal) == 334
    assert sum(suspected is not None for suspected, _ in normal) <= 0.01 * len(normal)
    assert sum(blocked is not None for _, blocked in normal) <= 0.01 * len(normal)
