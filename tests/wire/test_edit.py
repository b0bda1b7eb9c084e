"""Edits change the named member and no other byte."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.edit import (
    include_usage,
    insert_first,
    items_of,
    member_of,
    rearrange,
    remove_items,
    remove_member,
    replace_strings,
    set_member,
)

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


@settings(max_examples=150)
@given(items=st.lists(st.tuples(SPACE, VALUES, SPACE), max_size=5), data=st.data())
def test_items_go_with_one_comma_each_and_nothing_else(items: list[tuple[str, str, str]], data: st.DataObject) -> None:
    written = ["".join(parts) for parts in items]
    body = ('{"a" : [{"b":[' + ",".join(written) + "]}]}").encode()
    doomed = data.draw(st.sets(st.integers(0, max(0, len(items) - 1)), max_size=len(items)))
    kept = [item for at, item in enumerate(written) if at not in doomed]
    after = remove_items(body, ("a", 0, "b"), doomed)
    assert orjson.loads(after)["a"][0]["b"] == [orjson.loads(item) for item in kept]
    for item in kept:
        assert item.strip().encode() in after


@settings(max_examples=100)
@given(items=st.lists(VALUES, max_size=3), new=st.lists(st.sampled_from([1, "é", {"x": []}]), max_size=3))
def test_items_are_put_before_all_others(items: list[str], new: list[Any]) -> None:
    body = ('{"a": [ ' + ",".join(items) + " ] }").encode()
    after = insert_first(body, ("a",), new)
    assert orjson.loads(after)["a"] == new + [orjson.loads(item) for item in items]
    assert after.endswith(body[body.index(b"[") + 1 :])


@settings(max_examples=100)
@given(items=st.lists(VALUES, max_size=4))
def test_items_are_put_in_another_order_and_keep_their_bytes(items: list[str]) -> None:
    body = ('{"a": [ ' + " , ".join(items) + ' ], "b":1.0}').encode()
    assert rearrange(body, ("a",), lambda found: list(found)) is body
    after = rearrange(body, ("a",), lambda found: [*reversed(found), '"new"'])
    head, tail = body.split(b"[", 1)[0], b' ], "b":1.0}'
    assert after.startswith(head) and after.endswith(tail)
    assert items_of(after[len(head) : -len(tail) + 2].decode()) == [*reversed(items), '"new"']
    assert member_of(body.decode(), "b") == "1.0"


@pytest.mark.parametrize("path", [("b",), ("a",), ("a", 0), ("c", 1), ("c", "x"), ("c", 0)])
def test_a_place_that_is_no_array_is_an_error(path: tuple[str | int, ...]) -> None:
    body = b'{"a": {}, "c": [1]}'
    for edit in (lambda: remove_items(body, path, {0}), lambda: insert_first(body, path, [1])):
        with pytest.raises(ValueError):
            edit()


def test_strings_change_where_they_are_values_and_keep_their_escapes_elsewhere() -> None:
    body = b'{"x":"\\u0061", "y" : ["\\u0062", {"a":"a" , "k" : "a"}], "z":"a"}'
    after = replace_strings(body, ("y",), lambda text: text.replace("a", '"é'), ("k",))
    assert after == '{"x":"\\u0061", "y" : ["\\u0062", {"a":"\\"é" , "k" : "a"}], "z":"a"}'.encode()
    assert replace_strings(body, ("x",), str.upper) == body.replace(b'"\\u0061"', b'"A"')
