"""Requests as they leave, connections as they are kept, and what never happens: a redirect followed, a second try."""

import asyncio
import base64
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.model.errors import ClientGone, Refusal
from gateway.upstream.client import Client
from gateway.upstream.providers import Provider
from gateway.upstream.reply import Unreachable
from gateway.upstream.retry import RetryBudget
from tests.support.upstream import (
    Conversation,
    Request,
    ScriptedUpstream,
    answer,
    event,
    head,
    json_answer,
    sse_answer,
)
from tests.upstream.asking import MANY, ask, pieces, provider, whole

OK = json_answer({"ok": True})


def closed_port() -> int:
    """A port nobody listens on: bound once, so that it was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def said(parts: list[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


# -- requests as they leave ------------------------------------------------------------------------------------------


async def test_a_request_leaves_with_exactly_the_headers_given_plus_host_and_length(client: Client) -> None:
    headers = [(b"x-b", b"2"), (b"x-a", b"1"), (b"x-b", b"\xc3\xa9\xff"), (b"content-length", b"999")]
    async with ScriptedUpstream(OK) as upstream:
        await whole(client, upstream.url, b'{"a":1}', path="/v1/chat/completions", headers=headers)
        request = await upstream.arrived()
        assert request.head == (
            b"POST /v1/chat/completions HTTP/1.1\r\n"
            b"host: 127.0.0.1:%d\r\nx-b: 2\r\nx-a: 1\r\nx-b: \xc3\xa9\xff\r\ncontent-length: 7\r\n\r\n" % upstream.port
        )
        assert request.body == b'{"a":1}'


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        ("GET", None, None), ("GET", b"", None), ("HEAD", None, None), ("DELETE", None, None), ("OPTIONS", b"", None),
        ("POST", None, "0"), ("POST", b"", "0"), ("PUT", None, "0"), ("DELETE", b"x", "1"), ("PATCH", b"xy", "2"),
    ],
)  # fmt: skip
async def test_a_length_is_sent_where_the_method_expects_a_body(
    client: Client, method: str, body: bytes | None, length: str | None
) -> None:
    async with ScriptedUpstream(head(204)) as upstream:
        await whole(client, upstream.url, body, method=method)
        request = await upstream.arrived()
        assert (request.method, request.body) == (method, body or b"")
        assert request.header("content-length") == length
        assert request.header("transfer-encoding") is None


async def test_path_and_query_leave_as_they_came(client: Client) -> None:
    async with ScriptedUpstream(OK) as upstream:
        await whole(client, upstream.url, path="/v1/models/org%2Fname", query=b"a=%C3%A9&b=%2f&c='\"+|{}&&d")
        assert (await upstream.arrived()).target == b"/v1/models/org%2Fname?a=%C3%A9&b=%2f&c='\"+|{}&&d"


@pytest.mark.parametrize("query", [b"a b", b"a\r\nx: y", b"a#b", b"\xe9", b"\x7f"])
async def test_a_query_that_could_be_read_in_two_ways_is_refused(client: Client, query: bytes) -> None:
    async with ScriptedUpstream(OK) as upstream:
        with pytest.raises(Refusal) as caught:
            await ask(client, upstream.url, query=query)
        assert caught.value.code == "invalid_request"
        assert upstream.requests == []


@pytest.mark.parametrize("bad", [(b"x-a", b"1\r\nx-b: 2"), (b"x-a", b"\n"), (b"x\r", b""), (b"x-a", b"\0")])
async def test_a_header_cannot_start_a_line_of_its_own(client: Client, bad: tuple[bytes, bytes]) -> None:
    async with ScriptedUpstream(OK) as upstream:
        with pytest.raises(Refusal, match="control character"):
            await ask(client, upstream.url, headers=[bad])


@pytest.mark.parametrize("method", ["CONNECT", "get", "P OST", "POST\r\n", ""])
async def test_a_method_that_is_none_is_refused(client: Client, method: str) -> None:
    with pytest.raises(Refusal, match="method"):
        await ask(client, "http://127.0.0.1:1", method=method)


async def test_a_streamed_body_is_chunked_unless_its_length_is_known(client: Client) -> None:
    parts = [b"abc", b"", b"d" * 100_000]
    async with ScriptedUpstream(OK) as upstream:
        await whole(client, upstream.url, said(parts))
        await whole(client, upstream.url, said(parts), headers=[(b"content-length", b"100003")])
        chunked, counted = upstream.requests
        assert chunked.header("transfer-encoding") == "chunked" and chunked.header("content-length") is None
        assert counted.header("content-length") == "100003" and counted.header("transfer-encoding") is None
        assert chunked.body == counted.body == b"".join(parts)
        assert upstream.connections == 1


@pytest.mark.parametrize("length", [b"2", b"4"])
async def test_a_streamed_body_of_another_length_than_said_is_refused(client: Client, length: bytes) -> None:
    async with ScriptedUpstream(OK, read_body=False) as upstream:

        async def script(request: Request, talk: Conversation) -> None:
            await talk.hang()

        upstream.script = script
        with pytest.raises(Refusal) as caught:
            await ask(client, upstream.url, said([b"a", b"bc"]), headers=[(b"content-length", length)])
        assert caught.value.code == "invalid_request"
        await upstream.client_gone()


async def test_a_slow_provider_stops_a_streamed_body(client: Client) -> None:
    given = 0
    go_on = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        nonlocal given
        while given < 64 << 20:
            given += 1 << 16
            yield b"x" * (1 << 16)

    async def script(request: Request, talk: Conversation) -> None:
        talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await go_on.wait()
        talk.writer.transport.resume_reading()  # type: ignore[attr-defined]
        while given < 64 << 20:
            await talk.reader.read(1 << 20)
        await talk.send(answer(200, b"", [("connection", "close")]))
        talk.close()

    async with ScriptedUpstream(script, read_body=False) as upstream:
        task = asyncio.ensure_future(whole(client, upstream.url, body()))
        before = -1
        while before != given:
            before = given
            await asyncio.sleep(0.1)
        assert given < 16 << 20
        go_on.set()
        assert await task == b""


@pytest.mark.parametrize("length", [b"-1", b"1x", b"", b"1, 1"])
async def test_a_streamed_body_whose_length_is_no_number_is_refused(client: Client, length: bytes) -> None:
    with pytest.raises(Refusal, match="not a number"):
        await ask(client, "http://127.0.0.1:1", said([b"a"]), headers=[(b"content-length", length)])


async def test_a_large_body_arrives_whole(client: Client) -> None:
    body = bytes(range(256)) * 40_000
    async with ScriptedUpstream(OK) as upstream:
        for _ in range(2):
            await whole(client, upstream.url, body)
        assert [request.body == body for request in upstream.requests] == [True, True]
        assert upstream.connections == 1


@pytest.mark.parametrize("error", [ClientGone, ConnectionResetError])
async def test_what_the_source_of_a_body_raises_is_raised_to_whoever_waits(
    client: Client, error: type[Exception]
) -> None:
    async def leaving() -> AsyncIterator[bytes]:
        yield b"x"
        raise error

    async with ScriptedUpstream(OK) as upstream:
        with pytest.raises(error):
            await ask(client, upstream.url, leaving())


async def test_an_answer_that_comes_before_the_body_was_sent_is_given_out_and_the_upload_ends(client: Client) -> None:
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0.001)
        finally:
            ended.set()

    async with ScriptedUpstream(answer(413, b"too much"), read_body=False) as upstream:
        reply = await ask(client, upstream.url, endless())
        assert (reply.status, await reply.read(MANY)) == (413, b"too much")
        reply.close()
        async with asyncio.timeout(5):
            await ended.wait()
        assert await whole(client, upstream.url) == b"too much"
        assert upstream.connections == 2  # on the first one, this request would have been part of the unsent body


async def test_a_connection_with_an_unsent_body_on_it_is_not_used_again(client: Client) -> None:
    body = b"x" * (32 << 20)
    async with ScriptedUpstream(answer(413, b"too much"), read_body=False) as upstream:
        for connections in (1, 2):
            assert await whole(client, upstream.url, body) == b"too much"
            assert upstream.connections == connections


async def test_an_upload_ends_when_the_provider_closes_without_an_answer(client: Client) -> None:
    ended = asyncio.Event()

    async def waiting() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def script(request: Request, talk: Conversation) -> None:
        talk.reset()

    async with ScriptedUpstream(script, read_body=False) as upstream:
        with pytest.raises(Refusal) as caught:
            await ask(client, upstream.url, waiting())
        assert caught.value.code == "upstream_unavailable"
        async with asyncio.timeout(5):
            await ended.wait()


async def test_a_body_still_coming_when_the_provider_resets_is_not_read_any_further(client: Client) -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b"x" * 1000
            await asyncio.sleep(0)

    async def script(request: Request, talk: Conversation) -> None:
        await talk.reader.read(1000)
        talk.reset()

    async with ScriptedUpstream(script, read_body=False) as upstream:
        for _ in range(20):
            with pytest.raises(Refusal) as caught:
                await ask(client, upstream.url, endless())
            assert caught.value.code == "upstream_unavailable"
        before = given
        for _ in range(10):
            await asyncio.sleep(0)
        assert given == before


# -- redirects -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_a_redirect_is_neither_followed_nor_passed_on(client: Client, status: int) -> None:
    async with ScriptedUpstream(OK) as inner:
        for location in ("http://169.254.169.254/latest/meta-data/", f"{inner.url}/admin"):
            async with ScriptedUpstream(answer(status, b"", [("location", location)])) as upstream:
                with pytest.raises(Refusal) as caught:
                    await ask(client, upstream.url)
                assert (caught.value.code, caught.value.status) == ("upstream_invalid", 502)
                assert location not in caught.value.message
                assert len(upstream.requests) == 1
        assert inner.connections == 0


async def test_not_modified_is_no_redirect(client: Client) -> None:
    async with ScriptedUpstream(head(304, [("etag", "x")])) as upstream:
        reply = await ask(client, upstream.url, None, method="GET")
        assert (reply.status, await reply.read(1)) == (304, b"")


# -- connections -----------------------------------------------------------------------------------------------------


async def test_requests_one_after_another_share_a_connection(client: Client) -> None:
    async with ScriptedUpstream([OK, sse_answer([event({})])]) as upstream:
        for _ in range(10):
            await whole(client, upstream.url)
        assert (len(upstream.requests), upstream.connections, client.connections) == (10, 1, 1)


async def test_requests_at_the_same_time_have_connections_of_their_own_and_share_them_later(client: Client) -> None:
    together = asyncio.Barrier(20)

    async def script(request: Request, talk: Conversation) -> None:
        await together.wait()
        await talk.json({"n": request.json()})

    async with ScriptedUpstream(script) as upstream:
        for _ in range(2):
            got = await asyncio.gather(*(whole(client, upstream.url, b"%d" % n) for n in range(20)))
            assert got == [b'{"n": %d}' % n for n in range(20)]
        assert upstream.connections == 20


async def test_a_connection_unused_for_too_long_is_closed() -> None:
    client = Client(keep_alive=0.05)
    async with ScriptedUpstream(OK) as upstream:
        await whole(client, upstream.url)
        await upstream.client_gone()
        await whole(client, upstream.url)
        assert upstream.connections == 2
    await client.close()


async def test_connections_in_use_are_not_swept_and_fresh_ones_are_kept() -> None:
    client = Client(keep_alive=0.1)
    go_on = asyncio.Event()

    async def script(request: Request, talk: Conversation) -> None:
        if request.target == b"/slow":
            await go_on.wait()
        await talk.json({"ok": True})

    async with ScriptedUpstream(script) as upstream:
        slow = asyncio.ensure_future(whole(client, upstream.url, path="/slow"))
        await upstream.arrived()
        for _ in range(20):
            await whole(client, upstream.url)
            await asyncio.sleep(0.02)
        go_on.set()
        assert await slow == b'{"ok": true}'
        assert upstream.connections == 2
    await client.close()


async def test_closing_the_client_closes_used_and_unused_connections() -> None:
    client = Client()

    async def hang(request: Request, talk: Conversation) -> None:
        await talk.hang()

    async with ScriptedUpstream([OK, OK, hang]) as upstream:
        await asyncio.gather(whole(client, upstream.url), whole(client, upstream.url))
        task = asyncio.ensure_future(ask(client, upstream.url))
        await upstream.arrived(3)
        await client.close()
        assert client.connections == 0
        with pytest.raises(Refusal):
            await task


async def test_providers_at_one_address_share_connections_unless_they_differ_in_how_to_connect(client: Client) -> None:
    async with ScriptedUpstream(OK) as upstream:
        for name in ("a", "b"):
            to = Provider(name, upstream.url + "/" + name)
            assert await whole(client, to, path=to.target("/x")) == b'{"ok": true}'
        assert upstream.connections == 1


# -- no connection ---------------------------------------------------------------------------------------------------


async def test_a_refused_connection_is_unreachable_and_names_no_address(client: Client) -> None:
    with pytest.raises(Unreachable) as caught:
        await ask(client, f"http://127.0.0.1:{closed_port()}")
    assert (caught.value.code, caught.value.status) == ("upstream_unavailable", 502)
    assert caught.value.message == "Provider `p` cannot be reached: the connection was refused or broke off."


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    async def nothing(host: str, port: int) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "secret.internal")

    client = Client(resolve=nothing)
    with pytest.raises(Unreachable, match="its name does not resolve") as caught:
        await ask(client, "http://secret.internal")
    assert "secret" not in caught.value.message
    await client.close()


async def test_connecting_takes_no_longer_than_it_may_and_is_not_tried_again() -> None:
    asked = 0

    async def never(host: str, port: int) -> Any:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()

    client = Client(connect=0.05, resolve=never)
    with pytest.raises(Unreachable, match=r"no connection within 0.05 s"):
        await ask(client, "http://slow.test")
    assert asked == 1
    await client.close()


@pytest.mark.parametrize(("may", "dials"), [(True, 2), (False, 1)])
async def test_a_failed_connection_is_tried_once_more_unless_the_breaker_is_open(may: bool, dials: int) -> None:
    port, dialled = closed_port(), 0

    async def count(host: str, at: int) -> Any:
        nonlocal dialled
        dialled += 1
        raise OSError

    client = Client(resolve=count, may_retry=lambda provider: may)
    with pytest.raises(Unreachable):
        await ask(client, f"http://name.test:{port}")
    assert dialled == dials
    await client.close()


async def test_a_second_try_may_succeed_and_nothing_of_a_streamed_body_was_lost(client: Client) -> None:
    async with ScriptedUpstream(OK) as upstream:
        tries = 0

        async def flaky(host: str, port: int) -> Any:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise OSError
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", upstream.port))]

        flaky_client = Client(resolve=flaky)
        assert await whole(flaky_client, "http://name.test", said([b"a", b"b"])) == b'{"ok": true}'
        assert upstream.requests[0].body == b"ab"
        await flaky_client.close()


async def test_retries_are_a_tenth_of_the_requests_at_most() -> None:
    dialled = 0

    async def count(host: str, port: int) -> Any:
        nonlocal dialled
        dialled += 1
        raise OSError

    client = Client(resolve=count, retries=RetryBudget())
    for _ in range(200):
        with pytest.raises(Unreachable):
            await ask(client, "http://name.test")
    assert 200 + 10 <= dialled <= 200 + 20 + 3  # a tenth, the first one free, and what the seconds of this test earn
    await client.close()


@pytest.mark.parametrize("method", ["POST", "GET", "PUT"])
async def test_a_request_that_may_have_been_processed_is_never_sent_again(client: Client, method: str) -> None:
    async def script(request: Request, talk: Conversation) -> None:
        if len(upstream.requests) == 1:
            await talk.json({})
        else:
            talk.close()

    async with ScriptedUpstream(script) as upstream:
        await whole(client, upstream.url, method=method)
        with pytest.raises(Refusal) as caught:
            await ask(client, upstream.url, method=method)  # on the connection that was kept
        assert caught.value.code == "upstream_unavailable"
        assert not isinstance(caught.value, Unreachable)
        assert (len(upstream.requests), upstream.connections) == (2, 1)


# -- TLS and egress proxies ------------------------------------------------------------------------------------------


@pytest.fixture
def tls(authority: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: Any, tmp_path: Any) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


async def test_tls_with_a_configured_authority(client: Client, tls: ssl.SSLContext, ca_file: str) -> None:
    async with ScriptedUpstream([OK, sse_answer([b"a", b"b"])], tls=tls, host="localhost") as upstream:
        to = provider(upstream.url, ca_file=ca_file)
        await client.prepare([to])
        assert await whole(client, to) == b'{"ok": true}'
        reply = await ask(client, to)
        assert b"".join(await pieces(reply)) == b"ab"
        assert upstream.connections == 1


async def test_an_unknown_authority_is_unreachable_and_not_tried_again(client: Client, tls: ssl.SSLContext) -> None:
    async with ScriptedUpstream(OK, tls=tls, host="localhost") as upstream:
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            await ask(client, upstream.url)
        assert upstream.requests == []


async def test_a_certificate_of_another_name_is_not_trusted(client: Client, authority: Any, ca_file: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.test").configure_cert(context)
    async with ScriptedUpstream(OK, tls=context, host="localhost") as upstream:
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            await ask(client, provider(upstream.url, ca_file=ca_file))


async def test_no_tls_where_it_was_expected_is_unreachable(client: Client, ca_file: str) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match="TLS handshake failed|broke off"):
            await ask(client, provider(f"https://localhost:{port}", ca_file=ca_file))


async def test_cancelling_in_the_tls_handshake_closes_the_connection(client: Client, ca_file: str) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        while await reader.read(4096):
            pass
        gone.set()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server, asyncio.timeout(5):
        port = server.sockets[0].getsockname()[1]
        task = asyncio.ensure_future(ask(client, provider(f"https://localhost:{port}", ca_file=ca_file)))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gone.wait()


async def test_a_ca_file_that_cannot_be_read_is_named_at_start(client: Client) -> None:
    with pytest.raises(ValueError, match=r"provider p: ca_file /no/such\.pem"):
        await client.prepare([provider("https://x.test", ca_file="/no/such.pem")])
    await client.prepare([provider("http://x.test", ca_file="/no/such.pem")])


async def tunnel(request: Request, talk: Conversation) -> None:
    """What an egress proxy does with CONNECT; every name leads to this machine."""
    port = int(request.target.rpartition(b":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await talk.send(b"HTTP/1.1 200 Connection established\r\nvia: proxy\r\n\r\n")

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    try:
        await asyncio.gather(pump(talk.reader, writer), pump(reader, talk.writer), return_exceptions=True)
    finally:
        writer.transport.abort()
    talk.finished = True


async def test_https_goes_through_a_tunnel_of_the_egress_proxy(
    client: Client, tls: ssl.SSLContext, ca_file: str
) -> None:
    async with ScriptedUpstream(OK, tls=tls, host="localhost") as upstream, ScriptedUpstream(tunnel) as proxy:
        to = provider(upstream.url, ca_file=ca_file, proxy=f"http://us%40er:pass@127.0.0.1:{proxy.port}")
        for _ in range(2):
            assert await whole(client, to, headers=[(b"x-secret", b"1")]) == b'{"ok": true}'
        asked = await proxy.arrived()
        assert (asked.method, asked.target) == ("CONNECT", b"localhost:%d" % upstream.port)
        assert asked.header("proxy-authorization") == "Basic " + base64.b64encode(b"us@er:pass").decode()
        assert asked.header("x-secret") is None
        assert (len(proxy.requests), upstream.connections) == (1, 1)
        assert upstream.requests[0].header("proxy-authorization") is None
        await client.close()


@pytest.mark.parametrize("refused", [answer(407), b"HTTP/1.1 200 OK\r\n\r\nearly bytes", b"nonsense\r\n\r\n"])
async def test_a_refused_tunnel_is_unreachable(client: Client, ca_file: str, refused: bytes) -> None:
    async with ScriptedUpstream(refused) as proxy:
        to = provider("https://localhost:1", ca_file=ca_file, proxy=proxy.url)
        with pytest.raises(Unreachable, match="egress proxy refused"):
            await ask(client, to)
        await proxy.client_gone()


async def test_http_is_asked_of_the_egress_proxy_by_its_full_url(client: Client) -> None:
    async with ScriptedUpstream(OK) as proxy:
        to = provider("http://model.test:8080", proxy=f"http://u:p@127.0.0.1:{proxy.port}")
        assert await whole(client, to, path="/v1/x", query=b"y=1") == b'{"ok": true}'
        asked = await proxy.arrived()
        assert asked.target == b"http://model.test:8080/v1/x?y=1"
        assert asked.header("host") == "model.test:8080"
        assert asked.header("proxy-authorization") == "Basic dTpw"


async def test_proxies_of_the_environment_are_ignored(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    async with ScriptedUpstream(OK) as upstream:
        assert await whole(client, upstream.url) == b'{"ok": true}'
