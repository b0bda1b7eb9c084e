"""What is known of an exchange before and after its body is read."""

import pytest

from gateway.phases.mcp.state import AskedCall, MCPState
from gateway.upstream.mcp_servers import MCPServer
from gateway.wire.mcp import Era
from gateway.wire.mcp_messages import call_of, read_body

SERVER = MCPServer("files", "http://127.0.0.1:1/mcp")


def test_before_the_body_nothing_is_asked() -> None:
    state = MCPState(SERVER, Era.HANDSHAKE)
    assert state.method is None and state.request_id is None and state.calls == ()


def test_a_message_that_came_alone_has_a_method_and_an_id() -> None:
    state = MCPState(SERVER, Era.HANDSHAKE)
    state.body = read_body(b'{"jsonrpc":"2.0","id":7,"method":"ping"}')
    assert (state.method, state.request_id) == ("ping", 7)


def test_a_batch_has_neither() -> None:
    state = MCPState(SERVER, Era.HANDSHAKE)
    state.body = read_body(b'[{"jsonrpc":"2.0","id":7,"method":"ping"}]')
    assert (state.method, state.request_id) == (None, None)


@pytest.mark.parametrize(
    ("body", "works"),
    [
        (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x"}}', True),
        (b'{"jsonrpc":"2.0","id":7,"method":"subscriptions/listen"}', False),
        (b'{"jsonrpc":"2.0","method":"notifications/x"}', False),
        (b'{"jsonrpc":"2.0","id":7,"result":{}}', False),
    ],
)
def test_what_only_waits_or_answers_is_no_work(body: bytes, works: bool) -> None:
    state = MCPState(SERVER, Era.HANDSHAKE)
    assert not state.works
    state.body = read_body(body)
    assert state.works is works


def test_what_was_asked_is_let_go_of_and_names_stay() -> None:
    state = MCPState(SERVER, Era.HANDSHAKE)
    state.forget_text()
    body = read_body(b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x","arguments":{"a":"text"}}}')
    state.body, state.forwarded = body, body.messages
    asked = AskedCall(7, body.messages[0], call_of(body.messages[0], 0, "files"))
    state.calls, state.released = (asked,), [asked]
    state.forget_text()
    assert (state.method, state.request_id, state.works) == ("tools/call", 7, True)
    assert state.forwarded[0].is_call and state.forwarded[0].document == {}
    assert state.calls == tuple(state.released) and state.calls[0].call.name == "x"
    assert "text" not in repr((state.body, state.calls, state.forwarded))
