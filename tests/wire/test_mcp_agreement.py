"""Headers that say another thing than the body are refused: others on the way route by them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import encode_header_value

from gateway.wire.mcp import HEADER_MISMATCH, INVALID_REQUEST, UNSUPPORTED_VERSION, VERSION_KEY, Era, MCPRefusal
from gateway.wire.mcp_agreement import check_agreement, decoded, era_of
from gateway.wire.mcp_messages import Body, read_body

NEW = b"2026-07-28"


def era(**headers: bytes) -> Era:
    pairs = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    return era_of(pairs, dict(pairs))


def body(method: str = "tools/call", *, version: str | None = "2026-07-28", **params: Any) -> Body:
    meta = {"_meta": {VERSION_KEY: version}} if version is not None else {}
    return read_body(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, **meta}}).encode())


def fields(
    method: bytes | None = b"tools/call", name: bytes | None = b"add", version: bytes | None = NEW
) -> dict[bytes, bytes]:
    given = {b"mcp-method": method, b"mcp-name": name, b"mcp-protocol-version": version}
    return {key: value for key, value in given.items() if value is not None}


def refused(era: Era, headers: dict[bytes, bytes], said: Body) -> int:
    with pytest.raises(MCPRefusal) as found:
        check_agreement(era, headers, said)
    return found.value.rpc


@pytest.mark.parametrize("version", [b"2024-11-05", b"2025-03-26", b"2025-06-18", b"2025-11-25"])
def test_versions_with_a_handshake(version: bytes) -> None:
    assert era(mcp_protocol_version=version) is Era.HANDSHAKE


def test_the_era_is_in_the_head() -> None:
    assert era() is Era.HANDSHAKE
    assert era(mcp_protocol_version=NEW) is Era.STATELESS


def test_a_version_nobody_knows_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(MCPRefusal) as found:
        era(mcp_protocol_version=b"2099-01-01")
    assert found.value.rpc == UNSUPPORTED_VERSION and found.value.status == 400
    assert found.value.data == {"supported": ["2026-07-28"], "requested": "2099-01-01"}


@pytest.mark.parametrize("name", [b"mcp-method", b"mcp-name", b"mcp-protocol-version"])
def test_a_header_that_routes_may_come_once_only(name: bytes) -> None:
    with pytest.raises(MCPRefusal) as found:
        era_of([(name, b"x"), (b"accept", b"y"), (name, b"x")], {})
    assert found.value.rpc == HEADER_MISMATCH


def test_headers_that_agree_pass() -> None:
    check_agreement(Era.STATELESS, fields(), body(name="add"))
    check_agreement(Era.STATELESS, fields(b"resources/read", b"file:///n"), body("resources/read", uri="file:///n"))
    check_agreement(Era.STATELESS, fields(b"tools/list", None), body("tools/list"))
    check_agreement(Era.STATELESS, fields(b"tools/call", b"=?base64?w6Q=?="), body(name="ä"))
    check_agreement(Era.HANDSHAKE, {}, body(name="add", version=None))


@pytest.mark.parametrize(
    "headers",
    [
        fields(b"tools/list"),
        fields(None),
        fields(name=b"delete"),
        fields(name=None),
        fields(version=b"2025-11-25"),
    ],
)
def test_a_stateless_request_and_its_headers_must_say_the_same(headers: dict[bytes, bytes]) -> None:
    assert refused(Era.STATELESS, headers, body(name="add")) == HEADER_MISMATCH


def test_a_body_of_the_stateless_era_without_its_header_is_refused() -> None:
    assert refused(Era.HANDSHAKE, {}, body(name="add")) == HEADER_MISMATCH


def test_an_older_version_may_stand_in_the_body_alone() -> None:
    check_agreement(Era.HANDSHAKE, {}, body(name="add", version="2025-11-25"))
    assert refused(Era.HANDSHAKE, fields(version=b"2025-06-18"), body(name="add", version="2025-11-25"))


def test_what_an_older_client_says_in_headers_has_to_agree_too() -> None:
    assert refused(Era.HANDSHAKE, {b"mcp-method": b"ping"}, body(name="add", version=None)) == HEADER_MISMATCH
    assert refused(Era.HANDSHAKE, {b"mcp-name": b"ping"}, body(name="add", version=None)) == HEADER_MISMATCH


def test_a_stateless_request_without_its_keys_is_left_to_the_server() -> None:
    check_agreement(Era.STATELESS, fields(None, None), body(name="add", version=None))


def test_a_notification_needs_no_headers() -> None:
    told = read_body(b'{"jsonrpc":"2.0","method":"notifications/x"}')
    check_agreement(Era.STATELESS, fields(None, None), told)


BATCH = read_body(b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]')


def test_batches_exist_in_one_revision_only() -> None:
    check_agreement(Era.HANDSHAKE, {}, BATCH)
    check_agreement(Era.HANDSHAKE, {b"mcp-protocol-version": b"2025-03-26"}, BATCH)
    assert refused(Era.HANDSHAKE, {b"mcp-protocol-version": b"2025-06-18"}, BATCH) == INVALID_REQUEST
    assert refused(Era.STATELESS, {}, BATCH) == INVALID_REQUEST


@pytest.mark.parametrize("name", [b"mcp-method", b"mcp-name"])
def test_no_header_can_name_what_a_batch_holds(name: bytes) -> None:
    assert refused(Era.HANDSHAKE, {name: b"ping"}, BATCH) == HEADER_MISMATCH


@pytest.mark.parametrize("header", [b"=?base64?!?=", b"=?base64?w6R=?=", b"=?base64?/w==?=", b"=?base64?YWI=YQ?="])
def test_an_encoded_header_that_stands_for_no_text_equals_nothing(header: bytes) -> None:
    assert decoded(header) is None


@given(st.text())
def test_what_the_client_encodes_is_read_again(text: str) -> None:
    header = encode_header_value(text)
    assert decoded(header.encode("latin-1")) == text


def test_no_header_is_none() -> None:
    assert decoded(None) is None
