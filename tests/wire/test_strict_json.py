"""One meaning or none: duplicate keys, encodings, depth and size."""

import json
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.errors import UnreadableRequest
from gateway.wire import strict_json
from gateway.wire.strict_json import check_case_variants, has_duplicates, loads, members_at_most, read_arguments

TRICKY = st.sampled_from(["", ":", '":', "\\", '\\":', "a", "b", "u003a", "\\u003a", " :", "ä", "é:"])


def refused(body: bytes) -> UnreadableRequest:
    with pytest.raises(UnreadableRequest) as caught:
        loads(body)
    return caught.value


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@st.composite
def written_json(draw: st.DrawFn, depth: int = 3) -> str:
    """JSON text of every style: white space, escapes, duplicate keys spelled differently."""
    kind = draw(st.sampled_from(["text", "number", "list", "object"] if depth else ["text", "number"]))
    if kind == "text":
        return draw(written_string())
    if kind == "number":
        return draw(st.sampled_from(["1", "-0.5e3", "null", "true", "12345678901234567890123"]))
    inner = written_json(depth - 1)
    space = st.sampled_from(["", " ", "\n", "\t", "\r"])
    if kind == "list":
        return "[" + ",".join(draw(st.lists(inner, max_size=3))) + "]"
    members = draw(st.lists(st.tuples(written_string(), space, space, inner), max_size=4))
    return "{" + ",".join(f"{key}{before}:{after}{value}" for key, before, after, value in members) + "}"


@st.composite
def written_string(draw: st.DrawFn) -> str:
    out = ""
    for character in draw(TRICKY):
        escape = draw(st.sampled_from(["plain", "lower", "upper"]))
        code = f"{ord(character):04x}"
        if escape == "plain":
            out += {'"': '\\"', "\\": "\\\\"}.get(character, character)
        else:
            out += "\\u" + (code if escape == "lower" else code.upper())
    return f'"{out}"'


def count_members(text: str) -> tuple[int, bool]:
    """How many members its objects have, and whether an object has two of one name."""
    count, found = 0, False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal count, found
        count += len(pairs)
        found = found or len({key for key, _ in pairs}) < len(pairs)

    json.loads(text, object_pairs_hook=look)
    return count, found


@pytest.mark.exhaustive
@settings(max_examples=600)
@given(text=written_json())
def test_duplicates_are_found_exactly_and_any_other_document_is_read_like_anybody_reads_it(text: str) -> None:
    body = text.encode()
    members, duplicates = count_members(text)
    assert has_duplicates(body, orjson.loads(body)) is duplicates
    assert members_at_most(body) >= members
    if duplicates:
        assert refused(body).code == "duplicate_key"
    else:
        assert loads(body) == orjson.loads(body)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"model":"a","model":"b"}', "model"),
        (b'{"model":"a","\\u006dodel":"b"}', "model"),
        (b'{"model" : "a", "model" : "b"}', "model"),
        (b'{"tools":[{},{"function":{"name":"a","x":1,"name":"b"}}]}', "tools[1].function.name"),
        (b'{"input":[[{"a":1}],[1,{"b":{},"b":1}]]}', "input[1][1].b"),
        (b'[{"a":1,"a":1}]', "[0].a"),
        (b'{"a:b":1,"a\\u003Ab":2}', "a:b"),
        (b'{"x":9' + b"9" * 200 + b',"y":1.5,"x":1}', "x"),
    ],
)
def test_a_duplicate_key_is_named_by_its_path(body: bytes, path: str) -> None:
    error = refused(body)
    assert (error.code, error.param) == ("duplicate_key", path)


def test_a_long_duplicate_key_is_not_repeated_in_full() -> None:
    error = refused(b'{"%b":1,"%b":2}' % (b"k" * 500, b"k" * 500))
    assert len(error.message) < 150


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xef\xbb\xbf{}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"{}{}",
        "{}".encode("utf-16"),
        b"{'a':1}",
        b'{"a":1,}',
    ],
)
def test_what_is_not_json_in_utf8_is_refused(body: bytes) -> None:
    error = refused(body)
    assert (error.code, error.status) == ("invalid_request", 400)


def test_the_depth_limit_is_exact() -> None:
    assert loads(nested(100)) is not None
    assert loads(b'{"a":' * 100 + b"1" + b"}" * 100) is not None
    for depth in (101, 254, 255, 1024, 1025, 100_000):
        error = refused(nested(depth))
        assert error.code == "invalid_request"
        assert "101" in error.message
        assert "100" in error.message


def test_brackets_in_strings_count_for_nothing() -> None:
    assert loads(b'["' + b"[{" * 500 + b'"]') == ["[{" * 500]
    refused(b'["]]]]",' * 101 + b"1" + b"]" * 101)


def test_a_long_key_is_refused_at_any_depth() -> None:
    key = b"k" * (strict_json.KEY_LIMIT + 1)
    assert "key" in refused(b'{"%b":1}' % key).message
    assert "key" in refused(b'[[1,{"%b":1}],2]' % key).message
    assert loads(b'{"%b":1}' % key[1:])


def test_json_inside_a_string_does_not_count_as_members() -> None:
    inner = orjson.dumps({"x": {f"k{i}": i for i in range(1000)}}).decode()
    body = orjson.dumps({"messages": [inner] * 300})
    assert len(loads(body)["messages"]) == 300


def test_brackets_and_commas_inside_a_string_do_not_count_as_values() -> None:
    code = "def f(x):\n    return [x, {x: (x, x)}, \"x\", '\\\\']\n" * 150_000
    assert loads(orjson.dumps({"messages": [code]})) == {"messages": [code]}


@pytest.mark.parametrize("value", [b"1", b'""', b"null"])
def test_values_are_counted_exactly_where_it_matters(value: bytes) -> None:
    most = strict_json.VALUE_LIMIT
    assert len(loads(b"[%b]" % b",".join([value] * most))) == most
    refused(b"[%b]" % b",".join([value] * (most + 1)))


def test_containers_are_counted_exactly_where_it_matters() -> None:
    most = strict_json.CONTAINER_LIMIT
    assert len(loads(b"[%b]" % b",".join([b"{}"] * (most - 1)))) == most - 1
    refused(b"[%b]" % b",".join([b"[]"] * most))


MOST = 32 * 1024 * 1024

HOSTILE: dict[str, Callable[[], bytes]] = {
    "arrays": lambda: b"[" + b"[]," * (MOST // 3) + b"1]",
    "objects side by side": lambda: b"[" + b"{}," * (MOST // 3) + b"1]",
    "nested arrays": lambda: b"[" + b"[[[]]]," * (MOST // 7) + b"1]",
    "numbers": lambda: b"[" + b"1," * (MOST // 2) + b"1]",
    "strings": lambda: b"[" + b'"",' * (MOST // 3) + b"1]",
    "escaped strings": lambda: b"[" + b'"\\\\",' * (MOST // 5) + b"1]",
    "a string without end": lambda: b"[" * 300_000 + b'"' + b'\\"' * (MOST // 3) + b"\\",
    "depth": lambda: nested(100_000),
    "objects": lambda: b'{"a":' * 100_000,
    "keys": lambda: b"{" + b",".join(b'"k%d":1' % i for i in range(1_000_000)) + b"}",
    "spaced keys": lambda: b"{" + b",".join(b'"k%d" :1' % i for i in range(1_000_000)) + b"}",
    "number": lambda: b'{"a":' + b"9" * 10_000_000 + b"}",
    "key": lambda: b'{"' + b"k" * 10_000_000 + b'":1}',
    "duplicate": lambda: b'{"a":"' + b"\\u003a" * 100_000 + b'","a":1}',
    "backslashes": lambda: b'{"a":"' + b"\\\\" * 500_000 + b'u003a","a":1}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bodies_are_refused_before_they_cost_much(name: str) -> None:
    body = HOSTILE[name]()
    before = time.thread_time()
    refused(body)
    spent = time.thread_time() - before
    assert spent < 1  # a bound on the order of growth; the aim is 50 ms on an idle core


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"Model": "a"}, "Model"),
        ({"model": "a", "MODEL": "b"}, "MODEL"),
        ({"N": 100}, "N"),
        ({"me\u017f\u017fages": []}, "me\u017f\u017fages"),
        ({"tools": [{}, {"Function": {}}]}, "tools[1].Function"),
        ({"tools": [{"function": {"NAME": "x"}}]}, "tools[0].function.NAME"),
        ({"tools": [{"type": "namespace", "tools": [{"Name": "x"}]}]}, "tools[0].tools[0].Name"),
    ],
)
def test_a_governed_name_in_another_case_is_refused(document: dict[str, Any], param: str) -> None:
    with pytest.raises(UnreadableRequest) as caught:
        check_case_variants(document)
    assert (caught.value.code, caught.value.param) == ("duplicate_key", param)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"model": "m", "x_Custom": 1, "messages": [{"Role": "user"}]},
        {"tools": "none"},
        {"tools": [1, {"function": None}, {"function": {"name": "n", "parameters": {"Name": 1}}}]},
    ],
)
def test_other_names_may_be_written_as_they_like(document: dict[str, Any]) -> None:
    check_case_variants(document)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ({}, None)),
        ("{}", ({}, None)),
        ('{"a":[1]}', ({"a": [1]}, None)),
        ('{"a":1,"a":2}', (None, "its arguments name a key twice")),
        ('{"a":', (None, "its arguments are not valid JSON")),
        ("[]", (None, "its arguments are not a JSON object")),
        ('"{}"', (None, "its arguments are not a JSON object")),
        ("null", (None, "its arguments are not a JSON object")),
        (" ", (None, "its arguments are not valid JSON")),
        ('{"a":"\ud800"}', (None, "its arguments are not valid Unicode")),
        ("[" * 101 + "]" * 101, (None, "its arguments are not valid JSON")),
    ],
)
def test_arguments_are_an_object_or_a_problem(text: str, expected: tuple[Any, str | None]) -> None:
    assert read_arguments(text) == expected


def test_a_large_text_is_no_container() -> None:
    assert loads(b'"%b"' % (b"x" * 100_000)) == "x" * 100_000


def test_whole_numbers_are_read_and_written_exactly_however_long() -> None:
    body = b'{"a":123456789012345678901234567890,"b":[18446744073709551616,0.5],"c":"\xc3\xa9"}'
    told = strict_json.exact(body, orjson.loads(body))
    assert told == json.loads(body)
    assert strict_json.dumps(told) == body
    short = {"a": 1}
    assert strict_json.exact(b'{"a":1}', short) is short
    with pytest.raises(UnreadableRequest):
        strict_json.exact(b"9" * 5000, 1.0)
