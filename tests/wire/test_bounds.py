"""What a provider may make the gateway put together: streams that would cost time in the square of their length end."""

import json
from typing import Any

import pytest

from gateway.model.errors import Refusal
from gateway.model.verdict import Judge, allow_all
from gateway.wire import DIALECTS
from gateway.wire.dialect import CALLS_LIMIT
from gateway.wire.interdiction import TURNS_LIMIT, HoldBudget, Interdiction
from tests.support.chat_streams import DONE, deny

PART = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
TOO_MANY_TURNS = "The provider's stream has too many turns with tool calls."
TOO_MANY_CALLS = "The provider sent an event that cannot be judged: its turn has too many calls."


def frame(document: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def chunk(*choices: dict[str, Any]) -> bytes:
    return frame({"choices": [*choices]})


def choice(turn: int, *calls: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"index": turn, "delta": {"tool_calls": [*calls]}, **members}


def failure(dialect: str, *frames: bytes, judge: Judge = allow_all) -> Refusal | None:
    budget = HoldBudget()
    machine = Interdiction(DIALECTS[dialect].reader(), judge, budget=budget)
    for one in frames:
        machine.feed(one)
    machine.close()
    assert budget.used == 0
    return machine.failure


def message(dialect: str, *frames: bytes) -> str | None:
    failed = failure(dialect, *frames)
    return None if failed is None else failed.message


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("turns", "expected"), [(TURNS_LIMIT, None), (TURNS_LIMIT + 1, TOO_MANY_TURNS)])
def test_a_stream_has_so_many_turns_with_calls_at_most(turns: int, expected: str | None, together: bool) -> None:
    choices = [choice(turn, {"index": 0, **PART}, finish_reason="tool_calls") for turn in range(turns)]
    frames = [chunk(*choices)] if together else map(chunk, choices)
    assert message("chat_completions", *frames, DONE) == expected


def test_many_turns_of_plain_text_are_no_matter() -> None:
    texts = [chunk({"index": turn, "delta": {"content": "x"}}) for turn in range(3 * TURNS_LIMIT)]
    assert message("chat_completions", *texts, DONE) is None


def test_a_turn_that_ends_again_and_again_is_judged_so_often_at_most() -> None:
    part = chunk(choice(0, {"index": 0, **PART, "function": {"name": "f"}}, finish_reason="tool_calls"))
    again = chunk(choice(0, {"index": 0, "function": {"arguments": " "}}, finish_reason="tool_calls"))
    whole = [part.replace(b'"f"}', b'"f", "arguments": "{}"}'), *[again] * (2 * TURNS_LIMIT - 1)]
    assert message("chat_completions", *whole, DONE) is None
    assert message("chat_completions", *whole, again, DONE) == TOO_MANY_TURNS


@pytest.mark.parametrize("named", ["index", "id"])
@pytest.mark.parametrize(("calls", "expected"), [(CALLS_LIMIT, None), (CALLS_LIMIT + 1, TOO_MANY_CALLS)])
def test_a_turn_of_a_chat_has_so_many_calls_at_most(calls: int, expected: str | None, named: str) -> None:
    parts = [{named: call if named == "index" else f"c{call}", **PART} for call in range(calls)]
    assert message("chat_completions", chunk(choice(0, *parts)), DONE) == expected


@pytest.mark.parametrize(("calls", "expected"), [(CALLS_LIMIT, None), (CALLS_LIMIT + 1, TOO_MANY_CALLS)])
def test_a_response_has_so_many_calls_at_most(calls: int, expected: str | None) -> None:
    items = [{"type": "function_call", "call_id": f"c{call}", "name": "f", "arguments": "{}"} for call in range(calls)]
    assert message("responses", frame({"type": "response.completed", "response": {"output": items}})) == expected


def test_a_call_of_a_response_is_told_so_often_at_most() -> None:
    item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    told = frame({"type": "response.in_progress", "response": {"output": [item]}})
    end = frame({"type": "response.completed", "response": {"output": [item]}})
    assert message("responses", *[told] * 15, end) is None
    assert "told too often" in (message("responses", *[told] * 16, end) or "")


def test_refused_calls_that_cannot_be_taken_out_in_time_end_the_stream() -> None:
    def refused(turns: int) -> Refusal | None:
        long = {"name": "f", "arguments": json.dumps({"a": "x" * 1_000_000})}
        calls = [chunk(choice(turn, {"index": 0, "type": "function", "function": long})) for turn in range(turns)]
        return failure("chat_completions", *calls, DONE, judge=deny(*range(turns)))

    assert refused(2) is None
    failed = refused(9)
    assert failed is not None
    assert failed.message == "The provider's tool calls are too long to be judged."
