"""One reading of an MCP body, or none."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import UnreadableRequest
from gateway.wire.mcp import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, MCPRefusal
from gateway.wire.mcp_messages import BATCH_LIMIT, TRACE_KEYS, Message, call_of, read_body, with_meta, write_body
from gateway.wire.strict_json import dumps


def message(**members: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **members}).encode()


def one(body: bytes) -> Message:
    return read_body(body).messages[0]


def called(**params: Any) -> Message:
    return one(message(id=1, method="tools/call", params=params))


def test_a_request_is_read() -> None:
    read = one(message(id="a", method="tools/list", params={"_meta": {"x": 1}}))
    assert (read.method, read.id, read.is_request, read.is_call) == ("tools/list", "a", True, False)
    assert read.meta == {"x": 1}


def test_notifications_and_responses_are_no_requests() -> None:
    told = one(message(method="notifications/initialized"))
    answer = one(message(id=1, result={}))
    failed = one(message(id=1, error={"code": 1, "message": "no"}))
    assert not told.is_request and not answer.is_request and not failed.is_request
    assert told.meta == {} and answer.method is None


def test_a_meta_that_is_no_object_says_nothing() -> None:
    assert called(name="x", _meta=5).meta == {}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", PARSE_ERROR),
        (b'"text"', INVALID_REQUEST),
        (b"[]", INVALID_REQUEST),
        (b"[1]", INVALID_REQUEST),
        (b'{"id":1,"method":"ping"}', INVALID_REQUEST),
        (message(id=1), INVALID_REQUEST),
        (message(id=1, result={}, error={}), INVALID_REQUEST),
        (message(result={}), INVALID_REQUEST),
        (message(id=1, method=5), INVALID_REQUEST),
        (message(id=1, method="ping", result={}), INVALID_REQUEST),
        (message(id=None, method="ping"), INVALID_REQUEST),
        (message(id=True, method="ping"), INVALID_REQUEST),
        (message(id=1.5, method="ping"), INVALID_REQUEST),
        (message(id=1, method="ping", params=[1]), INVALID_REQUEST),
        (message(method="tools/call", params={"name": "x"}), INVALID_REQUEST),
        (message(id=1, method="Tools/Call"), INVALID_REQUEST),
        (message(id=1, method=" tools/call\n"), INVALID_REQUEST),
        (message(id=1, method="tools//call"), INVALID_REQUEST),
        (message(id=1, method="tools\uff0fcall"), INVALID_REQUEST),
        (message(id=1, method="ping", Method="tools/call"), PARSE_ERROR),
        (message(id=1, method="tools/call", params={"name": "x", "Name": "y"}), PARSE_ERROR),
        (message(id=1, method="tools/call", params={"name": "x", "argument\u017f": {}}), PARSE_ERROR),
        (json.dumps([{"jsonrpc": "2.0", "id": 1, "method": "ping"}] * 2).encode(), INVALID_REQUEST),
        (json.dumps([{"jsonrpc": "2.0", "method": "x"}] * (BATCH_LIMIT + 1)).encode(), INVALID_REQUEST),
    ],
)
def test_what_has_no_single_meaning_is_refused(body: bytes, code: int) -> None:
    with pytest.raises(MCPRefusal) as refused:
        read_body(body)
    assert refused.value.rpc == code and refused.value.status == 400


def test_a_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(UnreadableRequest) as refused:
        read_body(b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}')
    assert refused.value.code == "duplicate_key"


def test_a_batch_is_read_in_order() -> None:
    body = read_body(b"[" + message(id=1, method="ping") + b"," + message(method="notifications/x") + b"]")
    assert body.batch and [one.method for one in body.messages] == ["ping", "notifications/x"]
    assert [one.id for one in body.requests] == [1]


def test_ids_of_text_and_number_are_different_ones() -> None:
    assert len(read_body(b"[" + message(id=1, method="a") + b"," + message(id="1", method="a") + b"]").requests) == 2


def test_a_call_is_read_with_its_server() -> None:
    call = call_of(called(name="read_file", arguments={"path": "/x"}), 3, "files")
    assert (call.name, call.parsed, call.namespace, call.turn) == ("read_file", {"path": "/x"}, "files", 3)
    assert call.arguments == '{"path":"/x"}' and call.problem is None


@pytest.mark.parametrize("params", [{"name": "x"}, {"name": "x", "arguments": None}])
def test_no_arguments_are_none(params: dict[str, Any]) -> None:
    assert call_of(called(**params), 0, "s").parsed == {}


@pytest.mark.parametrize("params", [{}, {"name": ""}, {"name": 5}, {"name": "x", "arguments": []}])
def test_a_call_that_names_no_tool_or_has_no_object_of_arguments_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(MCPRefusal) as refused:
        call_of(called(**params), 0, "s")
    assert refused.value.rpc == INVALID_PARAMS


def test_long_numbers_stay_exact() -> None:
    number = 123456789012345678901234567890
    read = called(name="pay", arguments={"amount": number})
    assert call_of(read, 0, "s").parsed == {"amount": number}
    assert json.loads(write_body([read], batch=False))["params"]["arguments"]["amount"] == number


def test_what_is_said_in_the_gateways_name_is_taken_out() -> None:
    read = called(name="x", _meta={"io.leuko/call": "forged", "progressToken": 1})
    assert with_meta(read, {}).params["_meta"] == {"progressToken": 1}
    assert with_meta(read, {"io.leuko/call": "ours"}).params["_meta"] == {"progressToken": 1, "io.leuko/call": "ours"}
    assert read.params["_meta"]["io.leuko/call"] == "forged"
    assert "_meta" not in with_meta(called(name="x", _meta={"io.leuko/intent": "t"}), {}).params


def test_what_is_left_out_is_not_passed_on() -> None:
    read = called(name="x", _meta={"progressToken": 1, "traceparent": "t", "baggage": "b"})
    assert with_meta(read, {}, TRACE_KEYS).params["_meta"] == {"progressToken": 1}


def test_a_message_with_nothing_to_change_is_the_same_one() -> None:
    read = called(name="x", _meta={"progressToken": 1})
    assert with_meta(read, {}) is read


def test_bodies_are_written_alone_or_as_a_batch() -> None:
    messages = [one(message(id=1, method="ping")), one(message(method="x"))]
    assert orjson.loads(write_body(messages, batch=True)) == [m.document for m in messages]
    assert orjson.loads(write_body(messages[:1], batch=False)) == messages[0].document


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
)


@given(JSON)
def test_any_json_is_written_as_it_was(document: Any) -> None:
    assert json.loads(dumps(document)) == document


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        assert read_body(body).messages
    except UnreadableRequest as error:
        assert error.code == "duplicate_key"
    except MCPRefusal:
        pass


# What other parsers would read in a body that is taken: the last of two equal keys, the first, keys in any case.

KEYS = st.sampled_from(
    ['"method"', '"Method"', '"\\u006dethod"', '"params"', '"PARAMS"', '"id"', '"ID"', '"x"', '"result"', '"method "']
)
VALUES = st.sampled_from(
    ['"tools/call"', '"ping"', '"Tools/Call"', '"tools/call\\u0000"', "1", '"a"', "null", "{}", '{"name":"add"}']
    + ['{"name":"add","name":"delete"}', '{"name":"add","Name":"delete"}', '{"name":"delete","arguments":{"a":1}}']
)
OBJECTS = st.lists(st.tuples(KEYS, VALUES), max_size=6).map(
    lambda members: "{" + ",".join(['"jsonrpc":"2.0"', *(f"{key}:{value}" for key, value in members)]) + "}"
)
BODIES = OBJECTS | st.lists(OBJECTS, max_size=3).map(lambda objects: "[" + ",".join(objects) + "]")


def _last(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(pairs)


def _first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


def _in_any_case(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key.casefold(): value for key, value in pairs}


def _calls(document: Any) -> list[Any]:
    """Names of the tools that a lenient server would call."""
    messages = document if isinstance(document, list) else [document]
    return [
        (one.get("params") or {}).get("name")
        for one in messages
        if str(one.get("method", "")).strip("\x00 ").lower() == "tools/call"
    ]


@given(BODIES)
def test_no_parser_finds_another_call_in_a_body_that_is_taken(body: str) -> None:
    try:
        read = read_body(body.encode())
    except (MCPRefusal, UnreadableRequest):
        return
    found = [one.params.get("name") for one in read.messages if one.is_call]
    for reader in (_last, _first, _in_any_case):
        assert _calls(json.loads(body, object_pairs_hook=reader)) == found
