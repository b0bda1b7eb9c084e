"""Streams of the Messages API that providers send seldom, or only to get a call past the judge."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.verdict import allow_all
from gateway.wire.dialect import PLAIN, Signal, UnreadableFrame
from gateway.wire.messages import MESSAGES
from tests.support.transcripts import MARK, Run, deny_all, events, load, stream

TOOL = {"type": "tool_use", "id": "toolu_zq", "name": "Bash", "input": {}}


def start(*content: Any, **members: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {"id": "msg_1", "content": list(content), **members}}


def block(content: Any, index: Any = 0) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": content}


def piece(text: Any, index: Any = 0) -> dict[str, Any]:
    delta = {"type": "input_json_delta", "partial_json": text}
    return {"type": "content_block_delta", "index": index, "delta": delta}


def stop(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(reason: str | None = "tool_use") -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 5}}


STOP = {"type": "message_stop"}


def run(*documents: dict[str, Any], judge: Any = allow_all) -> Run:
    return Run(MESSAGES, judge, (stream(*documents),))


def test_a_call_is_put_together_from_its_pieces() -> None:
    told = run(start(), block(TOOL), piece(""), piece('{"a":'), piece("1}"), stop(), end(), STOP)
    (call,) = told.judged[0]
    assert (call.name, call.kind, call.arguments, call.parsed) == ("Bash", "function", '{"a":1}', {"a": 1})
    assert (call.id, call.problem, told.answer.finish_reason) == ("toolu_zq", None, "tool_use")


@pytest.mark.parametrize(
    ("content", "pieces", "problem"),
    [
        (TOOL, [], None),
        ({**TOOL, "input": {"a": 1}}, [], None),
        ({**TOOL, "input": {"a": 1}}, ['{"a":1}'], None),
        ({**TOOL, "input": {"a": 2}}, ['{"a":1}'], "its arguments are given twice and differ"),
        (TOOL, ['{"a":'], "its arguments are not valid JSON"),
        (TOOL, ['{"a":1,"a":2}'], "its arguments name a key twice"),
        ({**TOOL, "name": None}, ["{}"], "it has no name"),
    ],
)
def test_a_call_that_does_not_add_up_says_why(content: Any, pieces: list[str], problem: str | None) -> None:
    told = run(start(), block(content), *map(piece, pieces), stop(), end(), STOP)
    (call,) = told.reader.calls(0)
    assert call.problem == problem
    assert bool(told.judged) is (problem is None)


def test_usage_is_what_was_said_last() -> None:
    answer = Run(MESSAGES, allow_all, (load("messages-thinking-and-call"),)).answer
    assert (answer.id, answer.model) == ("msg_01XFDUDYJgAACzvnptvVoYEL", "claude-opus-5-20260801")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.cached_tokens) == (135, 100)
    assert (answer.usage.output_tokens, answer.usage.reasoning_tokens) == (89, 12)
    assert answer.text_chars == len('The userwants it.{}{"command": "zq"}')


def test_text_with_escapes_or_names_of_calls_in_it_is_counted() -> None:
    reader = MESSAGES.reader()
    for text in (b"gr\\u00fcn", b"a tool_use"):
        data = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%b"}}' % text
        assert reader.read(data, b"content_block_delta") == PLAIN
    assert reader.answer.text_chars == len("grüna tool_use")


@pytest.mark.parametrize("name", ["messages-web-search", "messages-mcp-call"])
def test_hosted_calls_are_recorded_and_pass(name: str) -> None:
    told = Run(MESSAGES, deny_all, (load(name),))
    (hosted,) = told.answer.hosted
    assert hosted.problem is None
    assert hosted.parsed in ({"query": "weather Paris"}, {"q": 1})
    assert told.out == load(name)


def test_calls_in_the_start_of_a_message_are_judged() -> None:
    said = {"type": "text", "text": "hi"}
    told = [start(said, TOOL, said), block(said, 3), stop(3), end(), STOP]
    assert len(run(*told).judged[0]) == 1
    left = run(*told, judge=deny_all)
    assert MARK not in left.out
    first, *rest = events(left.out)
    assert first["message"]["content"] == [said, said]  # type: ignore[index]
    assert [event["index"] for event in rest if event["type"] == "content_block_start"] == [2, 3]


def test_a_message_that_stops_without_a_reason_gets_one_with_the_refusal() -> None:
    left = events(run(start(usage={"input_tokens": 4}), block(TOOL), stop(), end(None), STOP, judge=deny_all).out)
    assert [event["type"] for event in left[-2:]] == ["message_delta", "message_stop"]
    assert left[-2]["delta"]["stop_reason"] == "end_turn"  # type: ignore[index]
    assert left[-2]["usage"] == {"input_tokens": 4, "output_tokens": 5}


def test_frames_of_other_kinds_stay_in_place() -> None:
    odd = b'event: ping\ndata: {"type": "ping"}\n\nevent: x\ndata: [1]\n\n: comment\n\n'
    data = stream(start(), block(TOOL)) + odd + stream(stop(), end(), STOP)
    left = Run(MESSAGES, deny_all, (data,)).out
    assert odd in left
    assert MARK not in left


@pytest.mark.parametrize(
    ("data", "event"),
    [
        (b'{"type":"content_block_start","content_block":{"type":"tool_use"', b""),
        (b'{"type":"content_block_delta","delta":{"partial_json":', b""),
        (b'["tool_use"]', b""),
        (b'{"type":"content_block_delta","delta":{"type":"text_delta","text":"\\ud800"}}', b""),
        (b'{"type":"ping","n":{"type":"tool_use","type":"text"}}', b""),
        (b'{"type":"ping"}', b"content_block_start"),
        (b'{"type":"content_block_start","index":0,"content_block":{"type":"text"}}', b"ping"),
        (b'{"content_block":{}}', b"content_block_start"),
        (b'{"type":"message_start"}', b""),
        (b'{"type":"content_block_start","index":0}', b""),
        (b'{"type":"content_block_start","index":true,"content_block":{}}', b""),
        (b'{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{}"}}', b""),
        (b'{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}', b""),
    ],
)
def test_what_may_be_a_call_and_cannot_be_read_ends_the_stream(data: bytes, event: bytes) -> None:
    with pytest.raises(UnreadableFrame):
        MESSAGES.reader().read(data, event)


@pytest.mark.parametrize(
    "told",
    [
        [block(TOOL), block(TOOL)],
        [block(TOOL), piece(4)],
        [block({"type": "text", "text": ""}), piece('{"zq":1}')],
        [block({"type": "text", "text": ""}), stop(), end(), block(TOOL, 1)],
        [block({"type": "server_tool_use", "name": "x"}), stop(), piece("zq")],
    ],
)
def test_a_stream_that_contradicts_itself_ends(told: list[dict[str, Any]]) -> None:
    ended = run(start(), *told)
    assert ended.failure is not None
    assert ended.failure.code == "upstream_invalid"
    assert MARK not in ended.out


@pytest.mark.parametrize(
    "late",
    [
        piece('{"zq":1}'),
        {"type": "content_block_delta", "index": 0, "delta": {"type": "unheard_of", "text": "zq"}},
        {**stop(), "zq": 1},
        block({**TOOL, "input": {"zq": 1}}, 1),
    ],
)
def test_nothing_more_of_a_refused_call_leaves_after_the_end_of_its_turn(late: dict[str, Any]) -> None:
    ended = run(start(), block(TOOL), piece("{}"), stop(), end(), late, judge=deny_all)
    assert MARK not in ended.out
    assert ended.failure is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"4",
        b"{",
        b'{"hello":1}',
        b'{"type":"ping"}',
        b'{"type":"new_thing","index":3}',
        b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":4}}',
        b'{"type":"content_block_delta","index":0,"delta":4}',
        b'{"type":"message_delta","delta":4,"usage":4}',
        b'{"type":"message_delta","delta":{"stop_reason":null}}',
        b'{"type":"message_start","message":{"id":4,"model":4,"content":4}}',
    ],
)
def test_what_cannot_be_a_call_passes(data: bytes) -> None:
    reader = MESSAGES.reader()
    assert reader.read(data, b"") == PLAIN
    assert reader.answer.text_chars == 0


@pytest.mark.parametrize("data", [b'{"error":{"type":"api_error"}}', b'{"type":"error","error":{}}'])
def test_an_error_is_an_error(data: bytes) -> None:
    assert MESSAGES.reader().read(data, b"error"[: 5 * (b'"type":"error"' in data)]) == ((0, Signal.ERROR),)


def test_nothing_is_stripped() -> None:
    assert MESSAGES.reader().strip(b"data: {}\n\n") == b"data: {}\n\n"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_a_provider_sends_no_denied_call_leaves(data: st.DataObject) -> None:
    """Frames of real streams, shuffled, dropped and repeated: either the stream fails or the calls are withheld."""
    names = ["call", "parallel-calls", "text-then-call", "call-whole-at-start", "error-in-call"]
    pool = [event for name in names for event in events(load(f"messages-{name}"))]
    chosen = data.draw(st.lists(st.sampled_from(pool), max_size=14))
    assert MARK not in run(*chosen, judge=deny_all).out
