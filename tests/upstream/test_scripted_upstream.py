"""The scripted provider itself: a test tool that lies would make every other test lie."""

import asyncio
import http.client
import socket

import pytest

from tests.support.upstream import (
    Conversation,
    Request,
    ScriptedUpstream,
    close_delimited,
    event,
    http_chunk,
    json_answer,
    sse_answer,
    threaded,
)

POST = b"POST /v1/x?y=%2F HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 4\r\n\r\nbody"


async def exchange(port: int, *writes: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for data in writes:
        writer.write(data)
        await writer.drain()
    return reader, writer


async def test_a_request_is_recorded_as_it_was_sent() -> None:
    async with ScriptedUpstream(json_answer({"a": 1})) as upstream:
        reader, writer = await exchange(upstream.port, POST)
        assert b'{"a": 1}' in await reader.readuntil(b"}")
        request = await upstream.arrived()
        writer.close()
    assert (request.method, request.target, request.body) == ("POST", b"/v1/x?y=%2F", b"body")
    assert request.headers == [(b"Host", b"h"), (b"X-A", b"1"), (b"x-a", b"2"), (b"Content-Length", b"4")]
    assert request.all("x-a") == ["1", "2"]


async def test_a_chunked_body_is_joined_and_keep_alive_goes_on() -> None:
    chunked = (
        b"PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" + http_chunk(b"ab") + http_chunk(b"c") + b"0\r\n\r\n"
    )
    async with ScriptedUpstream([json_answer(1), sse_answer([event("x")])]) as upstream:
        reader, writer = await exchange(upstream.port, chunked, POST)
        await upstream.arrived(2)
        assert (await reader.readuntil(b"0\r\n\r\n")).endswith(b"data: x\n\n\r\n0\r\n\r\n")
        writer.close()
    assert upstream.requests[0].body == b"abc"
    assert upstream.connections == 1


async def test_the_end_of_the_client_is_noticed_while_the_script_hangs() -> None:
    async def script(request: Request, talk: Conversation) -> None:
        await talk.start()
        await talk.hang()

    async with ScriptedUpstream(script) as upstream:
        _, writer = await exchange(upstream.port, POST)
        await upstream.arrived()
        assert not upstream.conversations[0].client_gone.is_set()
        writer.close()
        await upstream.client_gone()


async def test_a_reset_is_a_reset_after_what_was_sent() -> None:
    async def script(request: Request, talk: Conversation) -> None:
        await talk.send(b"HTTP/1.1 2")
        talk.reset()

    async with ScriptedUpstream(script) as upstream:
        reader, writer = await exchange(upstream.port, POST)
        assert await reader.readexactly(10) == b"HTTP/1.1 2"
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_a_half_close_ends_reading_but_not_the_connection() -> None:
    async def script(request: Request, talk: Conversation) -> None:
        await talk.send(close_delimited(b"rest"))
        talk.half_close()
        await talk.hang()

    async with ScriptedUpstream(script) as upstream:
        reader, writer = await exchange(upstream.port, POST)
        assert (await reader.read()).endswith(b"\r\n\r\nrest")
        assert not upstream.conversations[0].client_gone.is_set()
        writer.close()
        await upstream.client_gone()


async def test_a_failing_script_fails_the_test() -> None:
    async def script(request: Request, talk: Conversation) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with ScriptedUpstream(script) as upstream:
            reader, writer = await exchange(upstream.port, POST)
            await reader.read()
            writer.close()


async def test_a_script_may_read_the_body_itself() -> None:
    async def script(request: Request, talk: Conversation) -> None:
        assert await talk.reader.readexactly(4) == b"body"
        await talk.json({})

    async with ScriptedUpstream(script, read_body=False) as upstream:
        reader, writer = await exchange(upstream.port, POST)
        await reader.readuntil(b"{}")
        writer.close()


def test_it_serves_a_test_that_blocks() -> None:
    with threaded(json_answer({"ok": True})) as upstream:
        connection = http.client.HTTPConnection("127.0.0.1", upstream.port)
        connection.request("GET", "/x")
        assert connection.getresponse().read() == b'{"ok": true}'
        connection.close()
        assert upstream.arrived().target == b"/x"
        upstream.client_gone()


def test_its_port_is_free_again_afterwards() -> None:
    with threaded(b"") as upstream:
        port = upstream.port
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", port))
