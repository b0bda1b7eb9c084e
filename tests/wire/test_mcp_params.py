"""Arguments that headers repeat: the official server's own check is the measure."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import encode_header_value, mcp_param_headers, validate_mcp_param_headers, x_mcp_header_map

from gateway.model.headers import Headers
from gateway.wire.mcp import HEADER_MISMATCH, MCPRefusal
from gateway.wire.mcp_params import check_params

SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
        "dry": {"type": "boolean", "x-mcp-header": "Dry"},
        "in": {"type": "object", "properties": {"side": {"type": "string", "x-mcp-header": "Side"}}},
        "free": {"type": "string"},
        "odd": True,
    },
}


def headers(**given: str) -> Headers:
    return [(f"mcp-param-{name}".encode(), value.encode("latin-1")) for name, value in given.items()]


def agrees(arguments: dict[str, Any], given: Headers, schema: Any = SCHEMA) -> bool:
    try:
        check_params(schema, arguments, given)
    except MCPRefusal as refusal:
        assert refusal.rpc == HEADER_MISMATCH
        return False
    return True


VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "region": VALUES,
        "count": VALUES,
        "dry": VALUES,
        "in": st.fixed_dictionaries({"side": VALUES}) | VALUES,
        "free": VALUES,
    },
)


@given(ARGUMENTS)
def test_what_the_official_client_sends_agrees(arguments: dict[str, Any]) -> None:
    sent = mcp_param_headers(x_mcp_header_map(SCHEMA), arguments)
    assert agrees(arguments, [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()])


SAID = (
    st.sampled_from(["true", "false", "1", "1.0", "1.5", "-0", "01", "x", "=?base64?eA==?=", "=?base64?!?=", "1e0"])
    | st.integers().map(str)
    | st.text().map(encode_header_value)
)


@given(
    ARGUMENTS,
    st.dictionaries(st.sampled_from(["region", "count", "dry", "side", "free"]), SAID),
)
def test_what_the_official_server_finds_different_is_different_here(
    arguments: dict[str, Any], said: dict[str, str]
) -> None:
    found = validate_mcp_param_headers(SCHEMA, arguments, {f"mcp-param-{name}": value for name, value in said.items()})
    ours = agrees(arguments, headers(**said))
    if found is None:
        assert ours
    elif "missing" not in found.message:
        assert not ours


def test_a_header_that_comes_twice_is_refused() -> None:
    assert not agrees({"region": "eu"}, headers(region="eu") * 2)


def test_headers_nobody_declared_say_nothing() -> None:
    assert agrees({}, headers(other="x") + [(b"accept", b"y")])
    assert agrees({"region": "eu"}, [])


@pytest.mark.parametrize("schema", [None, 5, {"properties": 5}, {"x-mcp-header": "Region"}])
def test_a_schema_that_declares_nothing_holds_to_nothing(schema: Any) -> None:
    assert agrees({"region": "eu"}, headers(region="us"), schema)


def test_a_number_of_absurd_length_is_only_another_text() -> None:
    assert not agrees({"count": 1}, headers(count="1" * 5000))
