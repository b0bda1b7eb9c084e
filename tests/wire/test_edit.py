"""Edits change the named member and no other byte."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.edit import include_usage, remove_member, set_member

SPACE = st.sampled_from(["", " ", "\n", "\t ", "\r\n"])
VALUES = st.sampled_from(
    [
        "1",
        "1.0",
        "1e2",
        "-0",
        "123456789012345678901234567890",
        '"\\u006d"',
        '"}"',
        '"\\""',
        '"é"',
        "[1, 2]",
        "{}",
        "null",
    ]
    + ['{"k" : [ {"usage":1} ]}', '"' + "x" * 30 + '"']
)
KEYS = st.sampled_from(['"a"', '"b"', '"c"', '"\\u0064"', '"é"', '"a b"', '"{"'])


@st.composite
def written_object(draw: st.DrawFn, key: str) -> tuple[str, str, str]:
    """(before, member, after) of an object that has `key` once, in any style."""
    others = draw(st.lists(st.tuples(KEYS, VALUES), max_size=4, unique_by=lambda pair: pair[0]))
    place = draw(st.integers(0, len(others)))
    parts = [f"{draw(SPACE)}{k}{draw(SPACE)}:{draw(SPACE)}{v}{draw(SPACE)}" for k, v in others]
    named = f"{draw(SPACE)}{key}{draw(SPACE)}:{draw(SPACE)}"
    value = draw(VALUES)
    before = draw(SPACE) + "{" + "".join(part + "," for part in parts[:place]) + named
    after = draw(SPACE) + "".join("," + part for part in parts[place:]) + "}" + draw(SPACE)
    return before, value, after


@settings(max_examples=200)
@given(parts=written_object('"named"'), value=st.sampled_from([True, None, 7, "é", {"x": [1]}]))
def test_setting_a_member_changes_its_value_only(parts: tuple[str, str, str], value: Any) -> None:
    before, old, after = parts
    edited = set_member((before + old + after).encode(), ("named",), value)
    assert edited == before.encode() + orjson.dumps(value) + after.encode()


@settings(max_examples=200)
@given(parts=written_object('"n\\u0061med"'))
def test_a_removed_member_takes_one_comma_along_and_nothing_else(parts: tuple[str, str, str]) -> None:
    body = "".join(parts).encode()
    edited = remove_member(body, ("named",))
    document = orjson.loads(body)
    del document["named"]
    assert orjson.loads(edited) == document
    position = 0  # what is left stands in the body in the same order
    for byte in edited:
        position = body.index(byte, position) + 1
    assert remove_member(edited, ("named",)) == edited


@settings(max_examples=200)
@given(parts=written_object('"other"'))
def test_a_new_member_is_added_and_every_byte_stays(parts: tuple[str, str, str]) -> None:
    body = "".join(parts).encode()
    edited = set_member(body, ("new", "deep"), True)
    added = b',"new":{"deep":true}'
    assert edited.count(added) == 1
    assert edited.replace(added, b"") == body
    assert orjson.loads(edited) == {**orjson.loads(body), "new": {"deep": True}}


@pytest.mark.parametrize(
    ("body", "path", "edited"),
    [
        (b"{}", ("a",), b'{"a":1}'),
        (b"{ }", ("a",), b'{"a":1 }'),
        (b'{"a":{"b":2}}', ("a", "b"), b'{"a":{"b":1}}'),
        (b'{"a":{"c":2}}', ("a", "b"), b'{"a":{"c":2,"b":1}}'),
        (b'{"a":null}', ("a", "b"), b'{"a":{"b":1}}'),
        (b'{"a":[]}', ("a", "b", "c"), b'{"a":{"b":{"c":1}}}'),
        (b'{"a":1,"a":2}', ("a",), b'{"a":1,"a":1}'),
    ],
)
def test_members_are_set(body: bytes, path: tuple[str, ...], edited: bytes) -> None:
    assert set_member(body, path, 1) == edited


@pytest.mark.parametrize(
    ("body", "path", "edited"),
    [
        (b'{"a":1}', ("a",), b"{}"),
        (b'{"a":1, "b":2}', ("a",), b'{ "b":2}'),
        (b'{"b":2 , "a":1 }', ("a",), b'{"b":2  }'),
        (b'{"a":1,"a":2,"b":3,"a":4}', ("a",), b'{"b":3}'),
        (b'{"o":{"a":1,"b":2}}', ("o", "a"), b'{"o":{"b":2}}'),
        (b'{"o":1}', ("o", "a"), b'{"o":1}'),
        (b'{"o":1}', ("p", "a"), b'{"o":1}'),
        (b' {"a":1}\n\n', ("a",), b" {}\n\n"),
    ],
)
def test_members_are_removed(body: bytes, path: tuple[str, ...], edited: bytes) -> None:
    assert remove_member(body, path) == edited


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"a"', b'{"a":', b'{"a":1', b"{1:2}", b'{"a":x}', b"\xff", b'{"x":' + b"[" * 5000]
)
def test_what_is_no_object_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        remove_member(body, ("a",))
    with pytest.raises(ValueError):
        set_member(body, ("a",), 1)


def test_an_empty_path_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="empty path"):
        set_member(b"{}", (), 1)


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        (b'{"stream":true}', b'{"stream":true,"stream_options":{"include_usage":true}}'),
        (b'{ "stream": true\n}\n', b'{ "stream": true,"stream_options":{"include_usage":true}\n}\n'),
        (b"{}", b'{"stream_options":{"include_usage":true}}'),
        (b'{"stream_options":null}', b'{"stream_options":{"include_usage":true}}'),
        (b'{"stream_options":{}}', b'{"stream_options":{"include_usage":true}}'),
        (b'{"stream_options":{"x": 1.0}}', b'{"stream_options":{"x": 1.0,"include_usage":true}}'),
        (b'{"stream_options":{"include_usage":false,"x":1}}', b'{"stream_options":{"include_usage":true,"x":1}}'),
        (b'{"stream_options":{"include_usage":true}}', None),
    ],
)
def test_usage_is_asked_for_unless_the_client_did(body: bytes, edited: bytes | None) -> None:
    assert include_usage(body, orjson.loads(body)) == edited
