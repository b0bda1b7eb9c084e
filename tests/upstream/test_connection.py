"""What one connection makes of everything a provider may send."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from gateway.model.errors import Refusal
from gateway.upstream.client import Client
from gateway.upstream.connection import HEAD_LIMIT, HEADER_COUNT_LIMIT, INFORMATIONAL_LIMIT
from gateway.upstream.http_reply import BUFFER_LIMIT
from tests.support.upstream import (
    SSE,
    Conversation,
    Request,
    ScriptedUpstream,
    answer,
    close_delimited,
    event,
    head,
    http_chunk,
    json_answer,
    sse_answer,
)
from tests.upstream.asking import MANY, ask, pieces, whole

STREAM = sse_answer([event({"n": 1}), event({"n": 2})])
WHOLE = json_answer({"id": "x", "text": "hello"})


async def outcome(client: Client, url: str) -> bytes | str:
    """The body, or the code of the refusal, wherever it was raised."""
    try:
        return await whole(client, url)
    except Refusal as refusal:
        assert "127.0.0.1" not in refusal.message
        return refusal.code


# -- answers that end as they should ---------------------------------------------------------------------------------


async def test_status_headers_and_body_arrive_as_sent_with_lower_case_names(client: Client) -> None:
    sent = answer(418, b"\x00\xffbody", [("X-Request-Id", "r"), ("Set-Cookie", "a"), ("set-cookie", "b"), ("x-e", "")])
    async with ScriptedUpstream(sent) as upstream:
        reply = await ask(client, upstream.url)
        assert reply.status == 418
        cookies = [(b"set-cookie", b"a"), (b"set-cookie", b"b")]
        assert reply.headers[:4] == [(b"x-request-id", b"r"), *cookies, (b"x-e", b"")]
        assert await reply.read(100) == b"\x00\xffbody"
        reply.close()


async def test_small_writes_to_a_provider_are_not_delayed(client: Client) -> None:
    async with ScriptedUpstream(WHOLE) as upstream:
        reply = await ask(client, upstream.url)
        (connection,) = client._open
        assert connection.transport is not None
        sock = connection.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        reply.close()


async def test_each_write_of_the_provider_arrives_as_a_chunk_of_its_own(client: Client) -> None:
    sent = [event({"n": n}) for n in range(20)]
    took = asyncio.Event()

    async def script(request: Request, talk: Conversation) -> None:
        await talk.start()
        for one in sent:
            await talk.chunk(one)
            await took.wait()  # nothing more is sent until this has been read: it was not held back
            took.clear()
        await talk.end()

    async with ScriptedUpstream(script) as upstream:
        reply = await ask(client, upstream.url)
        for one in sent:
            async with asyncio.timeout(5):
                assert await reply.chunk() == one
            took.set()
        assert await reply.chunk() == b""
        assert await reply.chunk() == b""


async def test_what_arrives_while_somebody_waits_goes_to_the_taker_and_what_it_leaves_is_a_chunk(
    client: Client,
) -> None:
    said = [b"first", b"taken", b"left", b"last"]
    heard, taken = asyncio.Event(), []

    async def script(request: Request, talk: Conversation) -> None:
        await talk.start()
        for one in said:
            await talk.chunk(one)
            await heard.wait()
            heard.clear()
        await talk.end()

    def take(chunk: bytes) -> bool:
        if chunk == b"left":
            return False
        taken.append(chunk)
        heard.set()
        return True

    async with ScriptedUpstream(script) as upstream:
        reply = await ask(client, upstream.url)
        assert await reply.chunk() == b"first"
        reply.hand_to(take)
        heard.set()
        async with asyncio.timeout(5):
            assert await reply.chunk() == b"left"
            heard.set()
            assert await reply.chunk() == b""
    assert taken == [b"taken", b"last"]


@pytest.mark.parametrize("cut", [1, 2, 3, 7])
async def test_the_body_is_the_same_wherever_the_wire_is_cut(client: Client, cut: int) -> None:
    async def script(request: Request, talk: Conversation) -> None:
        for start in range(0, len(STREAM), cut):
            await talk.send(STREAM[start : start + cut])

    async with ScriptedUpstream(script) as upstream:
        assert await whole(client, upstream.url) == event({"n": 1}) + event({"n": 2})
        assert await whole(client, upstream.url) == event({"n": 1}) + event({"n": 2})
        assert upstream.connections == 1


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_an_answer_may_end_with_its_connection_which_is_not_used_again(client: Client, version: str) -> None:
    async def script(request: Request, talk: Conversation) -> None:
        await talk.send(close_delimited(b"all of it", version=version))
        talk.close()

    async with ScriptedUpstream(script) as upstream:
        for _ in range(2):
            assert await whole(client, upstream.url) == b"all of it"
        assert upstream.connections == 2


async def test_a_half_close_ends_an_answer_that_ends_with_its_connection(client: Client) -> None:
    async def script(request: Request, talk: Conversation) -> None:
        await talk.send(close_delimited(b"rest"))
        talk.half_close()
        await talk.hang()

    async with ScriptedUpstream(script) as upstream:
        assert await whole(client, upstream.url) == b"rest"
        await upstream.client_gone()


@pytest.mark.parametrize(
    ("said", "connections"),
    [
        (answer(200, b"x"), 1),
        (answer(200, b"x", [("connection", "close")]), 2),
        (answer(200, b"x").replace(b"1.1", b"1.0"), 2),
        (answer(200, b"x", [("connection", "keep-alive")]).replace(b"1.1", b"1.0"), 1),
        (answer(204), 1),
        (head(304, [("content-length", "5")]), 1),
        (sse_answer([b"x"]), 1),
        (head(200, [("transfer-encoding", "chunked")]) + b"1;ext=1\r\nx\r\n0\r\ntrailer: 1\r\n\r\n", 1),
    ],
)
async def test_a_connection_is_used_again_exactly_if_both_sides_may(
    client: Client, said: bytes, connections: int
) -> None:
    async with ScriptedUpstream(said) as upstream:
        for _ in range(2):
            assert await whole(client, upstream.url) in (b"x", b"")
        assert upstream.connections == connections


async def test_the_answer_to_head_has_no_body_whatever_its_length_says(client: Client) -> None:
    async with ScriptedUpstream([head(200, [("content-length", "5")]), answer(200, b"next")]) as upstream:
        reply = await ask(client, upstream.url, None, method="HEAD")
        assert (b"content-length", b"5") in reply.headers
        assert await reply.read(1) == b""
        assert await whole(client, upstream.url) == b"next"
        assert upstream.connections == 1


async def test_a_body_after_head_is_no_valid_answer(client: Client) -> None:
    async with ScriptedUpstream(answer(200, b"a body")) as upstream:
        reply = await ask(client, upstream.url, None, method="HEAD")
        with pytest.raises(Refusal):
            await reply.read(MANY)
        await upstream.client_gone()


async def test_informational_answers_are_skipped(client: Client) -> None:
    early = head(103, [("link", "</x>")]) + b"HTTP/1.1 100 Continue\r\n\r\n"
    async with ScriptedUpstream(early + WHOLE) as upstream:
        for _ in range(2):
            reply = await ask(client, upstream.url)
            assert reply.status == 200
            assert b"link" not in dict(reply.headers)
            assert await reply.read(MANY)
        assert upstream.connections == 1


# -- answers that do not ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [WHOLE, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize("how", ["reset", "close", "half_close"])
async def test_an_answer_cut_anywhere_is_a_failure_and_never_a_success(client: Client, said: bytes, how: str) -> None:
    at = 0

    async def script(request: Request, talk: Conversation) -> None:
        if at:
            await talk.send(said[:at])
        getattr(talk, how)()
        if how == "half_close":
            await talk.hang()

    async with ScriptedUpstream(script) as upstream:
        for at in range(len(said)):
            got = await outcome(client, upstream.url)
            assert got == ("upstream_unavailable" if at == 0 else "upstream_invalid"), (at, said[:at])
        assert upstream.connections == len(said)


async def test_an_answer_that_ends_with_its_connection_does_not_end_with_a_reset(client: Client) -> None:
    async def script(request: Request, talk: Conversation) -> None:
        await talk.send(close_delimited(b"half"))
        await read.wait()
        talk.reset()

    read = asyncio.Event()
    async with ScriptedUpstream(script) as upstream:
        reply = await ask(client, upstream.url)
        assert await reply.chunk() == b"half"
        read.set()
        with pytest.raises(Refusal) as caught:
            await reply.chunk()
        assert caught.value.code == "upstream_invalid"
        reply.close()


async def test_what_arrived_before_a_cut_is_given_out_first(client: Client) -> None:
    async def script(request: Request, talk: Conversation) -> None:
        await talk.start()
        await talk.chunk(b"one")
        talk.reset()

    async with ScriptedUpstream(script) as upstream:
        reply = await ask(client, upstream.url)
        assert await reply.chunk() == b"one"
        for _ in range(2):
            with pytest.raises(Refusal) as caught:
                await reply.chunk()
            assert (caught.value.code, caught.value.status) == ("upstream_invalid", 502)
        reply.close()


MALFORMED = {
    "too short a length": answer(200, b"abc").replace(b"length: 3", b"length: 2"),
    "two lengths": head(200, [("content-length", "3"), ("content-length", "4")]) + b"abcd",
    "a length that is no number": head(200, [("content-length", "3x")]) + b"abc",
    "a negative length": head(200, [("content-length", "-1")]) + b"abc",
    "length and chunked": head(200, [("content-length", "3"), ("transfer-encoding", "chunked")]) + b"0\r\n\r\n",
    "an unknown transfer coding": head(200, [("transfer-encoding", "gzip, chunked")]) + b"0\r\n\r\n",
    "a wrong chunk size": head(200, [("transfer-encoding", "chunked")]) + b"2\r\nabc\r\n0\r\n\r\n",
    "a chunk size that is no number": head(200, [("transfer-encoding", "chunked")]) + b"zz\r\nabc\r\n0\r\n\r\n",
    "a huge chunk size": head(200, [("transfer-encoding", "chunked")]) + b"f" * 17 + b"\r\nabc",
    "a control character in a header": head(200, [("x-a", "b\rc"), ("content-length", "0")]),
    "a null byte in a header": head(200, [("x-a", "b\0c"), ("content-length", "0")]),
    "a header without a colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "a space in a header name": b"HTTP/1.1 200 OK\r\nx y: 1\r\ncontent-length: 0\r\n\r\n",
    "no HTTP at all": b"SSH-2.0-OpenSSH_9.7\r\n",
    "another HTTP": b"HTTP/3.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "an upgrade": head(101, [("upgrade", "websocket"), ("connection", "upgrade")]) + b"\x81\x00",
    "a flood of 1xx": head(102) * 11 + answer(200, b"x"),
    "a head of a megabyte": b"HTTP/1.1 200 OK\r\n" + b"x-a: " + b"a" * (1 << 20) + b"\r\n\r\n",
    "a head a little too long": answer(200, b"x", [("x-a", "a" * HEAD_LIMIT)]),
    "many headers": head(200, [(f"x-{n}", "1") for n in range(10_000)]),
    "a second answer behind the first": answer(200, b"abc") + answer(200, b"of another caller"),
    "a body where there is none": head(204) + b"body",
    "a status past the last one": answer(600, b"x"),
    "a status that does not exist": answer(999, b"x"),
    "a status below the first one": answer(99, b"x").replace(b" 99 ", b" 099 ") + answer(200, b"x"),
    "an endless chunk extension": head(200, [("transfer-encoding", "chunked")]) + b"1;" + b"e" * (1 << 20),
    "an endless trailer": head(200, [("transfer-encoding", "chunked")]) + b"0\r\nx: " + b"e" * (1 << 20),
}


@pytest.mark.parametrize("said", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_is_not_valid_http_is_refused_and_the_connection_closed(client: Client, said: bytes) -> None:
    async with ScriptedUpstream(said) as upstream:
        assert await outcome(client, upstream.url) == "upstream_invalid"
        await upstream.client_gone()
        upstream.script = answer(200, b"fine")
        assert await outcome(client, upstream.url) == b"fine"
        assert upstream.connections == 2


async def test_a_provider_that_hangs_up_at_once_is_unavailable(client: Client) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for _ in range(50):
            assert await outcome(client, f"http://127.0.0.1:{port}") == "upstream_unavailable"


async def test_too_long_a_length_is_an_answer_broken_off(client: Client) -> None:
    async def script(request: Request, talk: Conversation) -> None:
        await talk.send(answer(200, b"abc").replace(b"length: 3", b"length: 4"))
        talk.close()

    async with ScriptedUpstream(script) as upstream:
        assert await outcome(client, upstream.url) == "upstream_invalid"


async def test_an_answer_nobody_asked_for_never_becomes_the_answer_to_the_next_request(client: Client) -> None:
    async def script(request: Request, talk: Conversation) -> None:
        await talk.json({"for": "the first"})
        if talk.socket is upstream.conversations[0].socket:
            await first_read.wait()
            await talk.json({"for": "nobody"})
            await talk.gone()
            talk.close()

    first_read = asyncio.Event()
    async with ScriptedUpstream(script) as upstream:
        assert await whole(client, upstream.url) == b'{"for": "the first"}'
        first_read.set()
        await upstream.client_gone()
        assert await whole(client, upstream.url) == b'{"for": "the first"}'
        assert upstream.connections == 2


async def test_a_connection_that_was_closed_while_unused_is_not_used_again(client: Client) -> None:
    async def script(request: Request, talk: Conversation) -> None:
        await talk.json({})
        talk.close()

    async with ScriptedUpstream(script) as upstream:
        for _ in range(3):
            assert await whole(client, upstream.url) == b"{}"
            async with asyncio.timeout(5):
                while client.connections:  # until the end has been noticed
                    await asyncio.sleep(0)


# -- bounds ----------------------------------------------------------------------------------------------------------


async def test_a_head_within_the_limits_passes(client: Client) -> None:
    big = [("x-big", "b" * (HEAD_LIMIT - 1000)), *((f"x-{n}", "1") for n in range(100))]
    many = [(f"x-{n}", "1") for n in range(HEADER_COUNT_LIMIT - 1)]  # and its length
    early = head(102) * INFORMATIONAL_LIMIT
    async with ScriptedUpstream([answer(200, b"x", big), early + answer(200, b"x", many)]) as upstream:
        assert await whole(client, upstream.url) == b"x"
        assert await whole(client, upstream.url) == b"x"


async def test_a_slow_reader_stops_the_provider(client: Client) -> None:
    total, sent = 64 << 20, 0

    async def script(request: Request, talk: Conversation) -> None:
        nonlocal sent
        await talk.start(200, SSE)
        while sent < total and not talk.client_gone.is_set():
            talk.writer.write(http_chunk(b"x" * 65536))
            await talk.writer.drain()
            sent += 65536
        await talk.end()

    async with ScriptedUpstream(script) as upstream:
        reply = await ask(client, upstream.url)
        before = -1
        while before != sent:  # until the provider cannot send any more
            before = sent
            await asyncio.sleep(0.2)
        assert sent < 16 << 20  # what the kernel's buffers take; a few hundred kilobytes of it are here
        assert len(await reply.chunk()) <= BUFFER_LIMIT + (256 << 10)
        got = 0
        while data := await reply.chunk():
            got += len(data)
        assert got > total - (1 << 20)
        upstream.script = WHOLE
        assert await whole(client, upstream.url)
        assert upstream.connections == 1


async def test_read_refuses_what_is_longer_than_its_limit_by_length_or_by_count(client: Client) -> None:
    for said in (answer(200, b"x" * 100), sse_answer([b"x" * 60, b"x" * 40])):
        async with ScriptedUpstream(said) as upstream:
            reply = await ask(client, upstream.url)
            with pytest.raises(Refusal, match="longer than 99 bytes"):
                await reply.read(99)
            reply.close()
            reply = await ask(client, upstream.url)
            assert await reply.read(100) == b"x" * 100
            reply.close()


async def test_a_length_nobody_declared_may_reach_the_limit_and_no_more(client: Client) -> None:
    async def script(request: Request, talk: Conversation) -> None:
        await talk.start()
        await talk.chunk(b"x" * 60)
        await more.wait()
        await talk.chunk(b"x" * 40)
        await talk.end()

    async with ScriptedUpstream(script) as upstream:
        for limit, fits in ((100, True), (99, False)):
            more = asyncio.Event()
            reply = await ask(client, upstream.url)
            reading = asyncio.create_task(reply.read(limit))
            await asyncio.sleep(0)
            more.set()
            if fits:
                assert await reading == b"x" * 100
            else:
                with pytest.raises(Refusal, match="longer than 99 bytes"):
                    await reading
            reply.close()


# -- leaving ---------------------------------------------------------------------------------------------------------


async def test_closing_before_the_end_closes_the_connection_at_once(client: Client) -> None:
    async def script(request: Request, talk: Conversation) -> None:
        await talk.start()
        await talk.chunk(b"x")
        await talk.hang()

    async with ScriptedUpstream(script) as upstream:
        reply = await ask(client, upstream.url)
        assert await reply.chunk() == b"x"
        reply.close()
        reply.close()
        await upstream.client_gone(within=2)
        with pytest.raises(Refusal):
            await reply.chunk()


@pytest.mark.parametrize("when", ["before the head", "in the head", "in the body", "in the upload"])
async def test_cancelling_whoever_waits_closes_the_connection_at_once(client: Client, when: str) -> None:
    async def script(request: Request, talk: Conversation) -> None:
        if when == "in the head":
            await talk.send(b"HTTP/1.1 200 OK\r\nx-a: ")
        if when == "in the body":
            await talk.start()
        await talk.hang()

    async def endless() -> object:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0.001)

    body = endless() if when == "in the upload" else b"{}"
    async with ScriptedUpstream(script, read_body=when != "in the upload") as upstream:
        task = asyncio.ensure_future(whole(client, upstream.url, body))
        await upstream.arrived()
        await asyncio.sleep(0.05)
        assert not upstream.conversations[0].client_gone.is_set()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await upstream.client_gone(within=2)


async def test_closing_after_the_end_keeps_the_connection(client: Client) -> None:
    async with ScriptedUpstream(STREAM) as upstream:
        for _ in range(3):
            reply = await ask(client, upstream.url)
            assert b"".join(await pieces(reply))
            reply.close()
        assert upstream.connections == 1


async def test_leaving_at_any_moment_leaves_nothing_behind(client: Client) -> None:
    async def script(request: Request, talk: Conversation) -> None:
        await talk.start()
        for n in range(10):
            await talk.chunk(event({"n": n}))
            await asyncio.sleep(0)
        await talk.end()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 100
            await asyncio.sleep(0)

    dice = random.Random(5)
    async with ScriptedUpstream(script) as upstream:
        for n in range(400):
            task = asyncio.ensure_future(whole(client, upstream.url, body() if n % 2 else b"{}"))
            for _ in range(dice.randrange(60)):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                assert (await task).count(b"data: ") == 10
        assert await whole(client, upstream.url)
        async with asyncio.timeout(5):
            while client.connections > 1:
                await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
