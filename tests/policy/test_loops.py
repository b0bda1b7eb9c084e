"""How often a call was made before."""

from typing import Any

from gateway.model.transcript import MadeCall, Transcript
from gateway.policy.loops import repeats
from gateway.policy.question import Question


def _transcript(*calls: tuple[str, Any]) -> Transcript:
    return Transcript(calls=tuple(MadeCall(name, arguments) for name, arguments in calls))


def test_only_the_same_call_with_the_same_arguments_counts() -> None:
    made = _transcript(
        ("get", {"a": 1, "b": 2}), ("get", {"b": 2, "a": 1}), ("get", {"a": 2}), ("set", {"a": 1, "b": 2})
    )
    assert repeats(Question("get", {"a": 1, "b": 2}), made, 10) == 2
    assert repeats(Question("get", {}), made, 10) == 0


def test_only_the_last_calls_count() -> None:
    made = _transcript(*[("get", {})] * 5, *[("set", {})] * 8)
    assert repeats(Question("get", {}), made, 10) == 2
    assert repeats(Question("get", {}), made, 0) == 0


def test_without_a_conversation_nothing_repeats() -> None:
    assert repeats(Question("get", {}), None, 10) == 0
