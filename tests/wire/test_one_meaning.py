"""What is judged is what is forwarded: a call that leaves means to every client what it meant to the judge.

Every dialect is sent calls whose arguments are written in odd ways, cut at every character, on a network that cuts at
every byte. What a plain client makes of the bytes that leave must be what was judged.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.tool_call import ToolCall
from gateway.model.verdict import RELEASE, Ruling
from gateway.wire import DIALECTS
from gateway.wire.dialect import UnreadableFrame
from gateway.wire.refusal_text import unreadable
from gateway.wire.strict_json import dumps
from tests.support.transcripts import Run

NAME = "send_mail"


def _frame(document: dict[str, Any], event: str | None = None, *, name: str = NAME) -> bytes:
    written = json.dumps(document).replace(f'"{NAME}"', name if name.startswith('"') else f'"{name}"')
    return (f"event: {event}\n" if event else "").encode() + f"data: {written}\n\n".encode()


def _chat(parts: Sequence[str], name: str) -> Iterator[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return _frame({"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}, name=name)

    function = {"name": NAME, "arguments": ""}
    yield chunk(
        {"role": "assistant", "tool_calls": [{"index": 0, "id": "c", "type": "function", "function": function}]}
    )
    for part in parts:
        yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]})
    yield chunk({}, "tool_calls")
    yield b"data: [DONE]\n\n"


def _messages(parts: Sequence[str], name: str) -> Iterator[bytes]:
    def event(kind: str, **members: Any) -> bytes:
        return _frame({"type": kind, **members}, kind, name=name)

    yield event("message_start", message={"id": "m", "type": "message", "role": "assistant", "content": []})
    block = {"type": "tool_use", "id": "t", "name": NAME, "input": {}}
    yield event("content_block_start", index=0, content_block=block)
    for part in parts:
        yield event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": part})
    yield event("content_block_stop", index=0)
    yield event("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 1})
    yield event("message_stop")


def _responses(parts: Sequence[str], name: str) -> Iterator[bytes]:
    def event(kind: str, **members: Any) -> bytes:
        return _frame({"type": kind, "sequence_number": 0, **members}, kind, name=name)

    whole = "".join(parts)
    item = {"type": "function_call", "id": "fc", "call_id": "c", "name": NAME, "arguments": "", "status": "in_progress"}
    done = {**item, "arguments": whole, "status": "completed"}
    yield event("response.created", response={"id": "r", "status": "in_progress", "output": []})
    yield event("response.output_item.added", output_index=0, item=item)
    for part in parts:
        yield event("response.function_call_arguments.delta", item_id="fc", output_index=0, delta=part)
    yield event("response.function_call_arguments.done", item_id="fc", output_index=0, arguments=whole)
    yield event("response.output_item.done", output_index=0, item=done)
    yield event("response.completed", response={"id": "r", "status": "completed", "output": [done]})


STREAMS: dict[str, Callable[[Sequence[str], str], Iterator[bytes]]] = {
    "chat_completions": _chat,
    "messages": _messages,
    "responses": _responses,
}


def _received(dialect: str, stream: bytes) -> tuple[str, str]:
    """Name and arguments text as a plain client puts them together."""
    name, arguments = "", ""
    for frame in stream.split(b"\n\n"):
        data = frame.rpartition(b"data: ")[2]
        if not data.startswith(b"{"):
            continue
        event = json.loads(data)
        if dialect == "chat_completions":
            for call in event["choices"][0]["delta"].get("tool_calls", ()):
                name += call["function"].get("name", "")
                arguments += call["function"]["arguments"]
        elif dialect == "messages":
            name = event.get("content_block", {}).get("name", name)
            arguments += event.get("delta", {}).get("partial_json", "")
        elif event["type"] == "response.output_item.done" and event["item"]["type"] == "function_call":
            name, arguments = event["item"]["name"], event["item"]["arguments"]
    return name, arguments


def _judge(calls: Sequence[ToolCall]) -> Ruling:
    return unreadable(calls) if any(call.problem for call in calls) else RELEASE


def _sent(dialect: str, parts: Sequence[str], name: str = NAME, size: int = 1) -> tuple[Run, bytes]:
    """A stream of these parts of arguments, sent in pieces of so many bytes."""
    stream = b"".join(STREAMS[dialect](parts, name))
    return Run(DIALECTS[dialect], _judge, [stream[at : at + size] for at in range(0, len(stream), size)]), stream


def _nothing_left(dialect: str, run: Run) -> bool:
    """Whether the call was not released, and a client finds none."""
    (call,) = run.reader.calls(0)
    return bool(call.problem) and run.judged == [] and _received(dialect, run.out) == ("", "")


class _Twice(Exception):
    pass


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise _Twice
    return dict(pairs)


def _escaped(draw: st.DrawFn, text: str) -> str:
    """A string as JSON may write it: any of its characters may be an escape."""
    written = ""
    for letter in text:
        if letter.isascii() and draw(st.booleans()):
            written += f"\\u{ord(letter):04{draw(st.sampled_from('xX'))}}"
        else:
            written += json.dumps(letter)[1:-1]
    return f'"{written}"'


NUMBERS = """0 -0 1 1.0 1e2 -7 0.1 9007199254740991 9007199254740992 9007199254740993 -9007199254740993
18446744073709551615 18446744073709551616 18446744073709551617 123456789012345678901234567890 1e308 5e-324
0.1000000000000000055511"""


@st.composite
def _written(draw: st.DrawFn, depth: int = 0) -> str:
    kind = draw(st.sampled_from(["number", "text", "word", "list", "object"] if depth < 3 else ["number", "text"]))
    if kind == "number":
        return draw(st.sampled_from(NUMBERS.split()))
    if kind == "text":
        return _escaped(draw, draw(st.sampled_from(["", "a@b.example", 'say "x"', "é\u2028", "1", "\\u0041"])))
    if kind == "word":
        return draw(st.sampled_from(["true", "false", "null"]))
    inner = [draw(_written(depth + 1)) for _ in range(draw(st.integers(0, 3)))]
    if kind == "list":
        return "[" + " ,".join(inner) + "]"
    return draw(_object(inner))


@st.composite
def _object(draw: st.DrawFn, values: list[str] | None = None) -> str:
    if values is None:
        values = [draw(_written()) for _ in range(draw(st.integers(0, 3)))]
    space = draw(st.sampled_from(["", " ", "\n\t"]))
    members = [f"{_escaped(draw, draw(st.sampled_from(['to', 'To', 'é', ''])))}{space}:{space}{one}" for one in values]
    return "{" + f"{space},".join(members) + space + "}"


@pytest.mark.exhaustive
@pytest.mark.parametrize("dialect", STREAMS)
@settings(max_examples=60, deadline=None)
@given(text=_object(), size=st.integers(1, 40))
def test_arguments_cut_at_every_character_are_judged_as_a_client_reads_them(dialect: str, text: str, size: int) -> None:
    run, stream = _sent(dialect, list(text), size=size)
    try:
        expected = json.loads(text, object_pairs_hook=_pairs)
    except _Twice:
        assert _nothing_left(dialect, run)
        return
    assert run.out == stream, run.machine.failure
    (call,) = run.judged[-1]
    assert _received(dialect, run.out) == (call.name, call.arguments) == (NAME, text)
    assert repr(call.parsed) == repr(expected) or call.parsed == expected


AMBIGUOUS = [
    '{"to": "ann", "to": "eve"}',
    '{"to": "ann", "\\u0074o": "eve"}',
    '{"a": {"to": 1, "to": 1}}',
    '[{"to": 1}]',
    '{"to": NaN}',
    '{"to": 1e400}',
    '{"to": 1',
    '{"to": 1} {"to": 2}',
    '{"to": "\\ud800"}',
    "{'to': 1}",
    '{"to": 01}',
    '{"to": 1,}',
    '{"to": "a\nb"}',
    '{"to": ' + "9" * 5000 + "}",
    '{"a":' * 101 + "1" + "}" * 101,
    "\ufeff{}",
]


@pytest.mark.parametrize("dialect", STREAMS)
@pytest.mark.parametrize("text", AMBIGUOUS)
def test_arguments_that_two_clients_may_read_differently_never_leave(dialect: str, text: str) -> None:
    run, _ = _sent(dialect, [text[at : at + 40] for at in range(0, len(text), 40)])
    assert _nothing_left(dialect, run)


@pytest.mark.parametrize("dialect", STREAMS)
def test_nesting_to_the_limit_is_judged(dialect: str) -> None:
    text = '{"a":' * 100 + "1" + "}" * 100
    run, stream = _sent(dialect, [text])
    assert run.out == stream and run.judged[-1][0].parsed == json.loads(text)


@pytest.mark.parametrize("dialect", STREAMS)
def test_an_escaped_name_is_the_name(dialect: str) -> None:
    escaped = '"' + "".join(f"\\u{ord(letter):04x}" for letter in NAME) + '"'
    run, stream = _sent(dialect, ["{}"], escaped)
    assert run.out == stream and run.judged[-1][0].name == NAME == _received(dialect, run.out)[0]


@pytest.mark.parametrize("dialect", STREAMS)
@pytest.mark.parametrize("twice", ['"get_time", "name": "send_mail"', '"send_mail", "\\u006eame": "get_time"'])
def test_a_name_given_twice_never_leaves(dialect: str, twice: str) -> None:
    run, _ = _sent(dialect, ["{}"], twice)
    assert b"send_mail" not in run.out and b"get_time" not in run.out
    assert run.machine.failure is not None


@pytest.mark.parametrize("long", ["18446744073709551616", "18446744073709551617", "9007199254740993"])
def test_long_numbers_are_told_apart(long: str) -> None:
    for dialect in STREAMS:
        run, _ = _sent(dialect, [f'{{"to": {long}}}'])
        assert run.judged[-1][0].parsed == {"to": int(long)}


def _whole(dialect: str, arguments: str) -> dict[str, Any]:
    if dialect == "chat_completions":
        call = {"id": "c", "type": "function", "function": {"name": NAME, "arguments": arguments}}
        return {"choices": [{"index": 0, "message": {"role": "assistant", "tool_calls": [call]}}]}
    item = {"type": "function_call", "call_id": "c", "name": NAME, "arguments": arguments}
    return {"status": "completed", "output": [item]}


@pytest.mark.parametrize("dialect", ["chat_completions", "responses"])
@given(text=_object() | st.sampled_from(AMBIGUOUS))
def test_whole_answers_are_judged_as_streams_are(dialect: str, text: str) -> None:
    try:
        (call,) = DIALECTS[dialect].read_answer(_whole(dialect, text)).calls[0]
    except UnreadableFrame:
        return
    if call.problem is None:
        assert call.arguments == text and call.parsed == json.loads(text, object_pairs_hook=_pairs)
    run, _ = _sent(dialect, [text])
    (streamed,) = run.reader.calls(0)
    assert (streamed.problem is None, streamed.parsed) == (call.problem is None, call.parsed)


LONG = "123456789012345678901234567890"


def _told_whole(dialect: str) -> bytes:
    """An answer whose call has a number that no double holds, in an object and not in a text."""
    if dialect == "messages":
        block = {"type": "tool_use", "id": "t", "name": NAME, "input": {"to": 0}}
        answer: dict[str, Any] = {"id": "m", "type": "message", "content": [block], "stop_reason": "tool_use"}
    elif dialect == "responses":
        item = {"type": "shell_call", "id": "s", "call_id": "c", "action": {"to": 0}}
        answer = {"id": "r", "status": "completed", "output": [item]}
    else:
        call = {"id": "c", "type": NAME, NAME: {"to": 0}}
        answer = {"id": "x", "choices": [{"index": 0, "message": {"tool_calls": [call]}}]}
    return json.dumps(answer).replace('"to": 0', f'"to": {LONG}').encode()


def _told_streamed(dialect: str) -> Iterator[bytes]:
    answer = json.loads(_told_whole(dialect).replace(LONG.encode(), b"7731"))
    if dialect == "messages":
        yield _frame({"type": "message_start", "message": {**answer, "content": []}}, "message_start")
        (block,) = answer["content"]
        yield _frame({"type": "content_block_start", "index": 0, "content_block": block}, "content_block_start")
        yield _frame({"type": "content_block_stop", "index": 0}, "content_block_stop")
        yield _frame({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}, "message_delta")
        yield _frame({"type": "message_stop"}, "message_stop")
    elif dialect == "responses":
        (item,) = answer["output"]
        yield _frame({"type": "response.output_item.done", "output_index": 0, "item": item})
        yield _frame({"type": "response.completed", "response": answer})
    else:
        ((call,),) = [choice["message"]["tool_calls"] for choice in answer["choices"]]
        delta = {"tool_calls": [{"index": 0, **call}]}
        yield _frame({"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]})
        yield b"data: [DONE]\n\n"


def _number(call: ToolCall) -> object:
    told = call.parsed
    for key in ("action", NAME):
        told = told.get(key, told)
    return told["to"]


@pytest.mark.parametrize("dialect", STREAMS)
def test_a_number_past_64_bits_in_an_object_is_judged_as_the_number_that_leaves(dialect: str) -> None:
    body = _told_whole(dialect)
    document = json.loads(body)
    ((call,),) = DIALECTS[dialect].read_answer(document, body).calls.values()
    assert _number(call) == int(LONG) and LONG in call.arguments
    refused = unreadable([replace(call, problem="x")])
    assert LONG.encode() not in dumps(DIALECTS[dialect].withhold(document, {0: refused}))

    stream = b"".join(_told_streamed(dialect)).replace(b"7731", LONG.encode())
    run = Run(DIALECTS[dialect], _judge, [stream])
    assert run.out == stream, run.machine.failure
    ((streamed,),) = run.judged
    assert _number(streamed) == int(LONG)


@pytest.mark.parametrize("dialect", STREAMS)
def test_a_number_of_thousands_of_digits_in_an_object_does_not_leave(dialect: str) -> None:
    stream = b"".join(_told_streamed(dialect)).replace(b"7731", b"9" * 5000)
    run = Run(DIALECTS[dialect], _judge, [stream])
    assert run.judged == [] and b"9" * 5000 not in run.out
