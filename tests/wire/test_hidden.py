"""Calls in places where only some clients look never leave unjudged."""

import json
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from gateway.model.errors import Refusal
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import Denial, Ruling, Withhold
from gateway.wire import DIALECTS
from gateway.wire.dialect import UnreadableFrame
from gateway.wire.hidden import could_name, hides_named_calls, hides_typed_calls
from gateway.wire.interdiction import HoldBudget, Interdiction

SECRET = "zq7731"
ARGUMENTS = json.dumps({"service": SECRET})
CALLS = [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ARGUMENTS}}]
BLOCK = {"type": "tool_use", "id": "t1", "name": "f", "input": {"service": SECRET}}
ITEM = {"type": "function_call", "id": "fc1", "call_id": "c1", "name": "f", "arguments": ARGUMENTS}
DONE = b"data: [DONE]\n\n"


def deny(calls: Sequence[ToolCall]) -> Ruling:
    return Withhold("No.", tuple(Denial(call.name, "ops/deny/0", "not now", None) for call in calls))


def frame(document: Any, name: str = "") -> bytes:
    event = f"event: {name}\n" if name else ""
    return f"{event}data: {json.dumps(document)}\n\n".encode()


def named(document: dict[str, Any]) -> bytes:
    return frame(document, document["type"])


def choices(*choices: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "choices": [*choices]}


def through(dialect: str, *frames: bytes) -> tuple[bytes, Refusal | None]:
    budget = HoldBudget()
    machine = Interdiction(DIALECTS[dialect].reader(), deny, budget=budget)
    out = b"".join(map(machine.feed, frames)) + machine.close()
    assert budget.used == 0
    return out, machine.failure


CALL_FRAME = frame(choices({"index": 0, "delta": {"tool_calls": CALLS}}))
END = frame(choices({"index": 0, "delta": {}, "finish_reason": "tool_calls"}))


@pytest.mark.parametrize(
    "document",
    [
        {"choices": {"0": {"index": 0, "delta": {"tool_calls": CALLS}}}},
        choices([{"index": 0, "delta": {"tool_calls": CALLS}}]),
        choices({"index": 0, "delta": [{"tool_calls": CALLS}]}),
        choices({"index": 0, "delta": {}, "tool_calls": CALLS}),
        choices({"index": 0, "delta": {"Tool_Calls": CALLS}}),
        choices({"index": 0, "delta": {"tool_call\u017f": CALLS}}),
        choices({"index": 0, "delta": {"FUNCTION_CALL": {"name": "f", "arguments": ARGUMENTS}}}),
        choices({"index": 0, "delta": {"audio": {"tool_calls": CALLS}}}),
        {"choices": [], "tool_calls": CALLS},
        {"error": {"message": "x"}, "choices": {"0": {"delta": {"tool_calls": CALLS}}}},
    ],
)
def test_a_chat_call_outside_of_the_messages_ends_the_stream(document: dict[str, Any]) -> None:
    out, failure = through("chat_completions", frame(document), END, DONE)
    assert (out, failure and failure.code) == (b"", "upstream_invalid")


@pytest.mark.parametrize(
    "lines",
    [
        b"\xef\xbb\xbf" + CALL_FRAME,
        b" " + CALL_FRAME,
        CALL_FRAME.replace(b"data", b"Data"),
        CALL_FRAME.removeprefix(b"data: "),
        b": note\xe2\x80\xa8" + CALL_FRAME,
        b"event: x\x0b" + CALL_FRAME,
        b"data: {}\n\xef\xbb\xbf" + CALL_FRAME,
        CALL_FRAME.replace(b"tool_calls", b"tool_\ndata: calls"),
    ],
)
@pytest.mark.parametrize("ended", [False, True])
def test_lines_that_only_lenient_clients_read_do_not_leave(lines: bytes, ended: bool) -> None:
    text = frame(choices({"index": 0, "delta": {"content": "Hi"}}))
    before = text + DONE if ended else text
    out, failure = through("chat_completions", before, lines, END, DONE)
    assert (out, failure and failure.code) == (before, "upstream_invalid")
    assert SECRET.encode() not in through("chat_completions", before, lines.rstrip())[0]


@pytest.mark.parametrize("line", [b": note {x}\n\n", b"id: {1}\ndata: {}\n\n", b"retry: 1\ndata\n\n", b"x-y: z\n\n"])
def test_fields_that_hold_no_data_for_anybody_pass(line: bytes) -> None:
    assert through("chat_completions", line, DONE) == (line + DONE, None)


def test_what_a_provider_adds_beside_a_refused_call_does_not_leave() -> None:
    beside = [
        choices({"index": 0, "delta": {"content": " and"}, "logprobs": {"content": [{"token": SECRET}]}}),
        choices({"index": 0, "delta": {"raw": SECRET}}),
        choices({"index": 0, "delta": {}, "raw": SECRET}),
    ]
    out, failure = through("chat_completions", CALL_FRAME, *map(frame, beside), END, DONE)
    assert failure is None
    assert SECRET.encode() not in out
    assert b'" and"' in out


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message_start", "message": {"id": "m1", "content": {"0": BLOCK}}},
        {"type": "content_block_snapshot", "index": 0, "content_block": BLOCK},
        {"type": "message", "role": "assistant", "content": [BLOCK]},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use", "content": [BLOCK]}},
        {"type": "message_stop", "message": {"content": [BLOCK]}},
        {"type": "content_block_stop", "index": 0, "content_block": BLOCK},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}, "block": BLOCK},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "", "also": [BLOCK]}},
    ],
)
def test_a_block_that_calls_in_another_event_ends_the_stream(event: dict[str, Any]) -> None:
    out, failure = through("messages", named(event))
    assert (out, failure and failure.code) == (b"", "upstream_invalid")


def test_a_messages_event_whose_type_is_no_text_ends_the_stream() -> None:
    out, failure = through("messages", frame({"type": ["x"], "content_block": {}}, "content_block_start"))
    assert (out, failure and failure.code) == (b"", "upstream_invalid")


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.created", "response": {"id": "r1", "output": {"0": ITEM}}},
        {"type": "response.completed", "response": {"id": "r1", "output": {"0": ITEM}}},
        {"type": "response.cancelled", "response": {"id": "r1", "output": [ITEM]}},
        {"type": "response.output_item.updated", "output_index": 0, "item": ITEM},
        {"type": "response.snapshot", "output": [ITEM]},
        {"type": "response.content_part.added", "output_index": 0, "part": ITEM},
        {"type": "response.output_item.done", "output_index": 0, "item": {"type": "message", "content": [ITEM]}},
        {"type": "error", "message": "x", "item": ITEM},
        {"type": ["response.output_item.done"], "output_index": 0, "also": ITEM},
    ],
)
def test_an_item_that_calls_in_another_event_ends_the_stream(event: dict[str, Any]) -> None:
    out, failure = through("responses", frame(event))
    assert (out, failure and failure.code) == (b"", "upstream_invalid")


@pytest.mark.parametrize("kind", ["", "f", "function", "message"])
def test_arguments_of_an_item_that_is_no_call_end_the_stream(kind: str) -> None:
    added = named({"type": "response.output_item.added", "output_index": 0, "item": {"type": kind}})
    delta = {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": ARGUMENTS}
    out, failure = through("responses", added, named(delta))
    assert (out, failure and failure.code) == (added, "upstream_invalid")


def test_a_response_that_repeats_calls_of_its_request_passes() -> None:
    echo = {"id": "r1", "instructions": [ITEM], "tools": [{"type": "x_call"}], "output": []}
    start = named({"type": "response.created", "response": echo})
    end = named({"type": "response.completed", "response": echo})
    assert through("responses", start, end) == (start + end, None)


@pytest.mark.parametrize(
    ("dialect", "document"),
    [
        ("chat_completions", {"choices": {"0": {"message": {"tool_calls": CALLS}}}}),
        ("chat_completions", choices([{"message": {"tool_calls": CALLS}}])),
        ("chat_completions", choices({"message": [{"tool_calls": CALLS}]})),
        ("chat_completions", choices({"delta": {"tool_calls": CALLS}})),
        ("chat_completions", choices({"message": {"Tool_Calls": CALLS}})),
        ("messages", {"content": {"0": BLOCK}}),
        ("messages", {"content": [[BLOCK]]}),
        ("messages", {"message": {"content": [BLOCK]}}),
        ("responses", {"output": {"0": ITEM}}),
        ("responses", {"output": [[ITEM]]}),
        ("responses", {"output": [{"type": "message", "content": [ITEM]}]}),
        ("responses", {"response": {"output": [ITEM]}}),
    ],
)
def test_a_whole_answer_with_a_call_in_another_place_cannot_be_read(dialect: str, document: dict[str, Any]) -> None:
    with pytest.raises(UnreadableFrame):
        DIALECTS[dialect].read_answer(document)


def test_names_of_calls_that_hold_nothing_hide_nothing() -> None:
    document: dict[str, Any] = {
        "tool_calls": None,
        "usage": {"tool_calls": 3},
        "delta": {"function_call": {}},
        "x": [{"tool_calls": []}],
    }
    assert not hides_named_calls(document, ())
    assert not hides_typed_calls({"a": [{"type": "x"}]}, (), lambda one: one.get("type") == "call")


@pytest.mark.parametrize(
    "spelled", ["tool_calls", "Tool_CALLS", "tool_call\\u0073", "tool\\u005fcalls", "tool_call\u017f"]
)
def test_a_name_is_found_in_the_bytes_however_it_is_spelled(spelled: str) -> None:
    body = b'{"choices": [{"message": {"x": {"%b": [1]}}}]}' % spelled.encode()
    assert could_name(body, b"_call")
    with pytest.raises(UnreadableFrame):
        DIALECTS["chat_completions"].read_answer(orjson.loads(body), body)


def test_nothing_is_found_in_bytes_that_name_nothing() -> None:
    body = b'{"choices": [{"message": {"content": "call me _cal l \\u20ac"}}]}'
    assert not could_name(body, b"_call")
    answer = DIALECTS["chat_completions"].read_answer(orjson.loads(body), body)
    assert answer == DIALECTS["chat_completions"].read_answer(orjson.loads(body))


def test_what_holds_nothing_hides_nothing() -> None:
    assert not hides_named_calls("tool_calls", [])
    assert not hides_typed_calls("function_call", [], lambda item: True)
