"""Framing by the WHATWG rules, byte-exactly, wherever the network cuts."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.sse import FrameSplitter, FrameTooLong, has_id, parse

Event = tuple[bytes, bytes]

BYTES = st.lists(
    st.sampled_from(
        [
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"data: x",
            b"data:y",
            b"data",
            b"event: e",
            b"id: 1",
            b": c",
            b"\xef\xbb\xbf",
            b"z",
        ]
    ),
    max_size=20,
).map(b"".join)


def split(stream: bytes, cuts: list[int]) -> tuple[list[bytes], bytes]:
    splitter = FrameSplitter()
    frames: list[bytes] = []
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for start, end in zip(edges, edges[1:], strict=False):
        frames += splitter.feed(stream[start:end])
    return frames, splitter.rest


def reference(stream: bytes) -> list[Event]:
    """The events a browser would dispatch: line by line, as the standard words it."""
    events: list[Event] = []
    event, data = b"", []
    *lines, _ = re.split(rb"\r\n|\r|\n", stream.removeprefix(b"\xef\xbb\xbf"))
    for line in lines:
        if not line:
            if data:
                events.append((event, b"\n".join(data)))
            event, data = b"", []
        elif line.startswith(b":"):
            continue
        else:
            name, _, value = line.partition(b":")
            value = value[1:] if value.startswith(b" ") else value
            if name == b"data":
                data.append(value)
            elif name == b"event":
                event = value
    return events


def dispatched(frames: list[bytes]) -> list[Event]:
    return [(event, data) for event, data, has_data in map(parse, frames) if has_data]


@settings(max_examples=400)
@given(stream=BYTES, cuts=st.lists(st.integers(0, 200), max_size=8))
def test_frames_and_rest_are_the_input_and_say_what_the_standard_says(stream: bytes, cuts: list[int]) -> None:
    frames, rest = split(stream, cuts)
    assert b"".join(frames) + rest == stream
    assert dispatched(frames) == reference(stream)


@settings(max_examples=100)
@given(stream=BYTES)
def test_one_byte_at_a_time_says_the_same(stream: bytes) -> None:
    frames, rest = split(stream, list(range(len(stream))))
    assert b"".join(frames) + rest == stream
    assert dispatched(frames) == reference(stream)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r\n", b"\r\n\n", b"\n\r"])
def test_every_line_end_ends_a_frame_at_once(end: bytes) -> None:
    splitter = FrameSplitter()
    assert splitter.feed(b"data: x" + end) == [b"data: x" + end]
    assert not splitter.pending


def test_a_frame_split_inside_crlf_is_one_frame_and_is_not_delayed() -> None:
    splitter = FrameSplitter()
    assert splitter.feed(b"data: x\r\n\r") == [b"data: x\r\n\r"]
    assert splitter.feed(b"\n") == []
    assert splitter.rest == b"\n"
    assert splitter.feed(b"data: y\r\n\r\n") == [b"\ndata: y\r\n\r\n"]
    assert parse(b"\ndata: y\r\n\r\n") == (b"", b"y", True)


def test_a_chunk_that_is_one_frame_comes_back_as_the_same_object() -> None:
    splitter = FrameSplitter()
    splitter.feed(b": first\n\n")
    chunk = b"data: {}\n\n"
    assert splitter.feed(chunk)[0] is chunk


def test_a_chunk_of_several_frames_is_cut() -> None:
    splitter = FrameSplitter()
    splitter.feed(b": first\n\n")
    assert splitter.feed(b"data: 1\n\ndata: 2\n\n") == [b"data: 1\n\n", b"data: 2\n\n"]


def test_a_byte_order_mark_at_the_start_is_a_frame_of_its_own_and_means_nothing() -> None:
    splitter = FrameSplitter()
    assert splitter.feed(b"\xef\xbb") == []
    assert splitter.feed(b"\xbfdata: x\n\n") == [b"\xef\xbb\xbf", b"data: x\n\n"]
    assert parse(b"\xef\xbb\xbf") == (b"", b"", False)


def test_a_line_separator_of_unicode_is_not_a_line_end() -> None:
    frame = "data: a\u2028b\u0085c\x0bd\x1ce\n\n".encode()
    assert FrameSplitter().feed(frame) == [frame]
    assert parse(frame)[1] == "a\u2028b\u0085c\x0bd\x1ce".encode()
    several = b": note\n" + frame[:-1] + "data:f\x0cdata:g\u2029\n\n".encode()
    assert parse(several)[1] == "a\u2028b\u0085c\x0bd\x1ce\nf\x0cdata:g\u2029".encode()


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_a_frame_past_the_limit_is_reported_with_the_frames_before_it(chunk: int) -> None:
    stream = b"data: 1\n\n" + b"data: " + b"x" * 60 + b"\n\n"
    splitter = FrameSplitter(limit=50)
    frames: list[bytes] = []
    with pytest.raises(FrameTooLong) as caught:
        for start in range(0, len(stream), chunk):
            frames += splitter.feed(stream[start : start + chunk])
    assert frames + caught.value.frames == [b"data: 1\n\n"]


def test_a_long_unfinished_frame_is_searched_once_only() -> None:
    splitter = FrameSplitter()
    for _ in range(60_000):
        assert splitter.feed(b"0123456789abcdef" * 4) == []
    assert len(splitter.rest) == 60_000 * 64


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b"data: x\n\n", (b"", b"x", True)),
        (b"data:x\n\n", (b"", b"x", True)),
        (b"data:  x\n\n", (b"", b" x", True)),
        (b"data\n\n", (b"", b"", True)),
        (b"data: a\ndata: b\n\n", (b"", b"a\nb", True)),
        (b"data: a\rdata: b\r\n\r\n", (b"", b"a\nb", True)),
        (b"event: e\ndata: x\n\n", (b"e", b"x", True)),
        (b"event: e\ndata: x\ndata: y\n\n", (b"e", b"x\ny", True)),
        (b"event: e\rdata: z\ndata: x\n\n", (b"e", b"z\nx", True)),
        (b"event: e\ndata: x\rdata: y\n\n", (b"e", b"x\ny", True)),
        (b"event: e\n\n", (b"e", b"", False)),
        (b"event:e\nevent:f\ndata:x\n\n", (b"f", b"x", True)),
        (b": data: x\n\n", (b"", b"", False)),
        (b"retry: 1\nid: 7\n\n", (b"", b"", False)),
        (b"data: [DONE]", (b"", b"[DONE]", True)),
        (b"data: [DONE]\n", (b"", b"[DONE]", True)),
        (b"", (b"", b"", False)),
    ],
)
def test_fields_are_read(frame: bytes, expected: tuple[bytes, bytes, bool]) -> None:
    assert parse(frame) == expected


@pytest.mark.parametrize("frame", [b"id: 1\ndata: x\n\n", b"data: x\nid\n\n", b"data: x\r\nid:\r\n\r\n"])
def test_an_id_is_seen(frame: bytes) -> None:
    assert has_id(frame)


@pytest.mark.parametrize(
    "frame", [b"data: x\n\n", b'data: {"id":1}\n\n', b"idea: x\n\n", b": id: 1\n\n", b"data: id\n\n"]
)
def test_what_only_looks_like_an_id_is_none(frame: bytes) -> None:
    assert not has_id(frame)
