"""What a server says passes byte for byte, however it is cut, unless something is to be changed."""

import json
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.model.errors import Refusal
from gateway.wire.mcp_stream import Answers, EventStream, with_data
from gateway.wire.sse import parse


def answers(*waiting: int | str, edit: Any = None) -> tuple[Answers, list[dict[str, Any]]]:
    seen: list[dict[str, Any]] = []
    return Answers(waiting, seen.append, edit), seen


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    places = sorted({min(place, len(data)) for place in at})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


PIECES = st.sampled_from(
    [
        b"event: message\n", b"data: ", b"data:", b"data", b"id: 7\n", b": ping\r\n", b"\n", b"\r", b"\r\n", b"\n\n",
        b'{"jsonrpc":"2.0","id":1,"result":{"isError":true}}', b'{"jsonrpc":"2.0",', b'"id":1,"error":{}}',
        b'{"jsonrpc":"2.0","method":"notifications/progress"}', b"retry: 5\n", b"\xef\xbb\xbf", b"\xff", b"[1,2]",
    ]
)  # fmt: skip


@example([b"id:", b"7\n"], [])
@given(st.lists(PIECES | st.binary(max_size=8), max_size=30), st.lists(st.integers(0, 400)))
def test_with_nothing_to_change_the_output_is_the_input(pieces: list[bytes], at: list[int]) -> None:
    data = b"".join(pieces)
    stream = EventStream(answers(1)[0])
    out = b"".join(stream.feed(chunk) for chunk in cut(data, at)) + stream.close()
    assert out == data


@given(st.lists(PIECES | st.binary(max_size=8), max_size=30), st.lists(st.integers(0, 400)))
def test_an_edit_that_changes_nothing_changes_no_byte(pieces: list[bytes], at: list[int]) -> None:
    data = b"".join(pieces)
    stream = EventStream(answers(1, edit=lambda message: None)[0])
    assert b"".join(stream.feed(chunk) for chunk in cut(data, at)) + stream.close() == data


@given(st.lists(st.integers(0, 200)))
def test_an_answer_split_over_lines_and_chunks_is_seen_once(at: list[int]) -> None:
    told, seen = answers(1, 2)
    stream = EventStream(told)
    data = b'event: message\ndata: {"jsonrpc":"2.0",\ndata: "id":1,\ndata: "result":{"x":1}}\n\n: ping\n\n'
    for chunk in cut(data, at):
        stream.feed(chunk)
    assert seen == [{"jsonrpc": "2.0", "id": 1, "result": {"x": 1}}] and told.waiting == [2]


def test_only_whole_events_leave() -> None:
    stream = EventStream(answers(1)[0])
    assert stream.feed(b"data: a") == b"" and stream.pending
    assert stream.feed(b"\n\ndata: b") == b"data: a\n\n"
    assert stream.close() == b"data: b"


def test_an_event_that_is_too_long_ends_the_stream() -> None:
    with pytest.raises(Refusal) as refused:
        EventStream(answers(1)[0], limit=10).feed(b"data: 0123456789")
    assert refused.value.code == "upstream_invalid"


def test_a_stream_that_is_cut_answers_what_still_waits() -> None:
    stream = EventStream(answers(1, "b")[0])
    stream.feed(b'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n')
    said = stream.error(Refusal("agent_quarantined", "No."))
    assert orjson.loads(parse(said)[1])["id"] == "b" and said.endswith(b"\n\n")


def test_requests_of_the_server_are_no_answers() -> None:
    told, seen = answers(1)
    assert told.read(b'{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"result":1}}') is None
    assert seen == [] and told.waiting == [1]


@pytest.mark.parametrize("data", [b"", b"{", b"5", b'{"result"', b'["error"]'])
def test_what_is_no_message_is_left_alone(data: bytes) -> None:
    told, seen = answers(1, edit=lambda message: {"changed": True})
    assert told.read(data) is None and seen == []


def test_a_name_written_with_escapes_is_read_too() -> None:
    told, seen = answers(1)
    told.read(b'{"jsonrpc":"2.0","id":1,"\\u0072esult":{}}')
    assert told.waiting == [] and len(seen) == 1


def test_an_edit_replaces_one_message_of_several() -> None:
    def edit(message: dict[str, Any]) -> dict[str, Any] | None:
        return {**message, "result": {"tools": []}} if message.get("id") == 2 else None

    told, seen = answers(1, 2, edit=edit)
    data = b'[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"result":{"tools":[1]}}]'
    changed = told.read(data)
    assert changed is not None and json.loads(changed)[1]["result"] == {"tools": []}
    assert json.loads(changed)[0]["result"] == {} and seen[1]["result"] == {"tools": [1]}


def test_an_edited_event_keeps_its_other_lines() -> None:
    stream = EventStream(answers(1, edit=lambda message: {"new": True})[0])
    frame = b'id: 4\r\nevent: message\r\ndata: {"jsonrpc":"2.0",\r\ndata: "id":1}\r\nretry: 1\r\n\r\n'
    assert stream.feed(frame) == b'id: 4\r\nevent: message\r\ndata: {"new":true}\r\nretry: 1\r\n\r\n'


@pytest.mark.parametrize(
    ("frame", "out"),
    [
        (b"data:old\n\n", b"data: new\n\n"),
        (b"data\ndata: old\n\n", b"data: new\n\n"),
        (b"data\r\r", b"data: new\r\r"),
        (b"database: 1\ndata: old\n\n", b"database: 1\ndata: new\n\n"),
        (b"data: old", b"data: new"),
    ],
)
def test_data_is_replaced_wherever_it_stands(frame: bytes, out: bytes) -> None:
    assert with_data(frame, b"new") == out


def test_an_answer_nobody_here_waits_for_is_seen_too() -> None:
    told, seen = answers(2)
    told.read(b'{"jsonrpc":"2.0","id":1,"result":{}}')
    assert told.waiting == [2] and len(seen) == 1


def test_items_of_lists_are_cut_and_nothing_else_changes() -> None:
    def places(message: dict[str, Any]) -> list[int]:
        tools = message.get("result", {}).get("tools", [])
        return [at for at, tool in enumerate(tools) if tool == "gone"]

    reader = Answers([1], lambda answer: None, cut=places)
    assert reader.read(b'{"id":1, "result":{"tools":["gone", "a" ,"gone"],"x":1e2}}') == (
        b'{"id":1, "result":{"tools":[ "a" ],"x":1e2}}'
    )
    assert reader.read(b'{"id":2,"result":{"tools":["a"]}}') is None
    assert reader.read(b'[{"id":1,"result":{"tools":["gone"]}},{"id":2,"result":{"tools":["b","gone"]}}]') == (
        b'[{"id":1,"result":{"tools":[]}},{"id":2,"result":{"tools":["b"]}}]'
    )
    assert reader.read(b'no "result" at all') is None
    edited = Answers([1], lambda answer: None, lambda message: {**message, "more": 1}, cut=places)
    assert edited.read(b'{"id":1,"result":{"tools":["gone"]}}') == b'{"id":1,"result":{"tools":[]},"more":1}'


def test_a_cut_list_of_several_lines_is_one_event_still() -> None:
    reader = Answers([1], lambda answer: None, cut=lambda message: [0])
    stream = EventStream(reader)
    said = stream.feed(b'data: {"id":1,\ndata: "result":{"tools":[1,\ndata: 2]}}\n\n')
    assert [orjson.loads(parse(frame)[1]) for frame in [said]] == [{"id": 1, "result": {"tools": [2]}}]


def test_word_that_tools_have_changed_is_heard_and_passes() -> None:
    heard: list[int] = []
    stream = EventStream(Answers([], lambda answer: None, tools_changed=lambda: heard.append(1)))
    frame = b'data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n'
    assert stream.feed(frame) == frame and heard == [1]
    assert stream.feed(b": ping\n\n") == b": ping\n\n" and heard == [1]
