"""Requests that two readers could take for different ones. None may reach the application as anything but itself."""

from collections.abc import Iterator

import pytest

from gateway.edge.protocol import GuardedProtocol
from tests.support.edge import Recorder, Running, WrittenTransport, serving
from tests.support.raw_http import RawConnection

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def post(*fields: bytes, body: bytes = b"", line: bytes = b"POST /x HTTP/1.1", host: bytes = b"Host: a\r\n") -> bytes:
    return line + b"\r\n" + host + b"".join(fields) + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked\r\n", body=body)


REFUSED = {
    # Two framings
    "CL.TE": post(b"Content-Length: 6\r\n", b"Transfer-Encoding: chunked\r\n", body=b"0\r\n\r\n" + SMUGGLED),
    "TE.CL": post(
        b"Transfer-Encoding: chunked\r\n", b"Content-Length: 4\r\n", body=b"5c\r\n" + SMUGGLED + b"\r\n0\r\n\r\n"
    ),
    "CL.TE, length 0": post(b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", body=SMUGGLED),
    "TE, CL, in HTTP/1.0": post(b"Transfer-Encoding: chunked\r\n", line=b"POST /x HTTP/1.0", body=b"0\r\n\r\n"),
    # Transfer-Encoding
    "TE twice": post(b"Transfer-Encoding: chunked\r\n" * 2, body=b"0\r\n\r\n"),
    "TE twice, one identity": post(b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", body=b"0\r\n\r\n"),
    **{
        f"TE {value!r}": post(b"Transfer-Encoding:" + value + b"\r\n", body=b"0\r\n\r\n" + SMUGGLED)
        for value in (
            *(b" xchunked", b" chunked, identity", b" identity", b" gzip", b" gzip, chunked", b" chunked, chunked"),
            *(
                b" chunked,",
                b" ,chunked",
                b' "chunked"',
                b" chunked;q=1",
                b" chunked\x0b",
                b"\x0bchunked",
                b" chu nked",
            ),
            *(
                b" chunke",
                b" chunkedd",
                b"",
                b" \x00chunked",
                b" chunked\x00",
                b" cow",
                b" chunked\xa0",
                b" ch\xc5\xabnked",
            ),
        )
    },
    **{
        f"TE written {name!r}": post(name + b": chunked\r\n", body=b"0\r\n\r\n" + SMUGGLED)
        for name in (
            *(b"Transfer-Encoding ", b"Transfer-Encoding\t", b" Transfer-Encoding", b"Transfer_Encoding"),
            *(b"Transfer-Encoding\x00", b"Transfer Encoding", b"\x00Transfer-Encoding", b"X: y\nTransfer-Encoding"),
            *(b"X: y\rTransfer-Encoding", b"Transfer-Encoding\r\n", b"Transfer-Encoding\x0b", b"Tra\xadnsfer-Encoding"),
        )
    },
    "TE folded": post(b"Transfer-Encoding:\r\n chunked\r\n", body=b"0\r\n\r\n"),
    # Content-Length
    "CL twice, the same": post(b"Content-Length: 5\r\n" * 2, body=b"hello"),
    "CL twice, different": post(b"Content-Length: 5\r\nContent-Length: 0\r\n", body=b"hello"),
    **{
        f"CL {value!r}": post(b"Content-Length:" + value + b"\r\n", body=b"hello" + SMUGGLED)
        for value in (
            *(
                b" 5, 5",
                b" 5,0",
                b" +5",
                b" -5",
                b" 0x5",
                b" 5 5",
                b" 5.0",
                b" 5e0",
                b" 1_0",
                b"",
                b" ",
                b" 5;",
                b' "5"',
            ),
            *(b" 5\x00", b" \xb2", b" 99999999999999999999", b" 18446744073709551621", b"\x0b5", b" 5\x0c", b" five"),
        )
    },
    **{
        f"CL written {name!r}": post(name + b": 5\r\n", body=b"hello" + SMUGGLED)
        for name in (
            b"Content-Length ",
            b"Content_Length",
            b" Content-Length",
            b"Content-Length\x00",
            b"Content Length",
        )
    },
    "CL folded": post(b"Content-Length:\r\n 5\r\n", body=b"hello"),
    # Lines
    "bare LF after the request line": b"POST /x HTTP/1.1\nHost: a\r\n\r\n",
    "bare LF after a field": b"POST /x HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "bare LF throughout": b"GET /x HTTP/1.1\nHost: a\n\n" + SMUGGLED,
    "LF before the end": b"GET /x HTTP/1.1\r\nHost: a\r\n\n" + SMUGGLED,
    "bare CR in a value": post(b"X: a\rb\r\n"),
    "bare CR after a field": b"GET /x HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
    "CR CR LF": b"GET /x HTTP/1.1\r\r\nHost: a\r\n\r\n",
    "NUL in a value": post(b"X: a\x00b\r\n"),
    "control byte in a value": post(b"X: a\x01b\r\n"),
    "DEL in a value": post(b"X: a\x7fb\r\n"),
    "fold with a space": post(b"X: a\r\n b\r\n"),
    "fold with a tab": post(b"X: a\r\n\tb\r\n"),
    "fold in the first field": b"GET /x HTTP/1.1\r\n Host: a\r\n\r\n",
    "space before the colon": post(b"X : y\r\n"),
    "no colon": post(b"X\r\n"),
    "empty name": post(b": y\r\n"),
    "name with a parenthesis": post(b"X(: y\r\n"),
    "name with a high byte": post(b"X\xff: y\r\n"),
    # Host
    "no Host": post(host=b""),
    "two Hosts": post(b"Host: b\r\n"),
    "two equal Hosts": post(b"Host: a\r\n"),
    **{
        f"Host {value!r}": post(host=b"Host: " + value + b"\r\n")
        for value in (
            b"",
            b"a b",
            b"a,b",
            b"a/b",
            b"user@a",
            b"a:b",
            b"a:1:2",
            b"a?x",
            b"a#x",
            b"[::1",
            b"::1",
            b"a\\b",
            b"a;b",
        )
    },
    # Request lines
    **{
        f"line {line!r}": post(line=line)
        for line in (
            *(
                b"GET http://a/x HTTP/1.1",
                b"GET a:80 HTTP/1.1",
                b"CONNECT a:80 HTTP/1.1",
                b"GET x HTTP/1.1",
                b"OPTIONS * HTTP/1.1",
            ),
            *(
                b"GET  /x HTTP/1.1",
                b"GET /x  HTTP/1.1",
                b"GET /x",
                b"GET /x HTTP/1.1 ",
                b" GET /x HTTP/1.1",
                b"GET\t/x HTTP/1.1",
            ),
            *(
                b"GET /x HTTP/2.0",
                b"GET /x HTTP/0.9",
                b"GET /x HTTP/1.2",
                b"GET /x HTTP/1.10",
                b"GET /x HTTP/11",
                b"GET /x http/1.1",
            ),
            *(b"get /x HTTP/1.1", b"FOO /x HTTP/1.1", b"G=T /x HTTP/1.1", b"PRI * HTTP/2.0", b"GET /x#y HTTP/1.1"),
            *(
                b"GET /\xff HTTP/1.1",
                b"GET /a\x00b HTTP/1.1",
                b"GET /a b HTTP/1.1",
                b"GET /?a b HTTP/1.1",
                b"SOURCE /x ICE/1.0",
            ),
        )
    },
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00",
    # Look-alikes of trusted headers
    **{
        f"look-alike {name!r}": post(name + b": y\r\n")
        for name in (
            *(
                b"x_agent_id",
                b"X_Agent-Id",
                b"x-agent_key",
                b"x_gateway_execution",
                b"x-gateway_anything",
                b"x_api_key",
            ),
            *(b"api_key", b"x_forwarded_for", b"x_intent_token", b"x_admin_key", b"x_agent_session"),
        )
    },
}

REFUSED_IN_THE_BODY = {
    "size with 0x": chunked(b"0x5\r\nhello\r\n0\r\n\r\n"),
    "size with a plus": chunked(b"+5\r\nhello\r\n0\r\n\r\n"),
    "size with a minus": chunked(b"-5\r\nhello\r\n0\r\n\r\n"),
    "size with an underscore": chunked(b"1_0\r\nhello\r\n0\r\n\r\n"),
    "size that is empty": chunked(b"\r\nhello\r\n0\r\n\r\n"),
    "size after a space": chunked(b" 5\r\nhello\r\n0\r\n\r\n"),
    "size before a space": chunked(b"5 \r\nhello\r\n0\r\n\r\n"),
    "size that overflows": chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "bare LF after a size": chunked(b"5\nhello\r\n0\r\n\r\n"),
    "bare CR after a size": chunked(b"5\rhello\r\n0\r\n\r\n" + b"x" * 2000),
    "bare LF after a chunk": chunked(b"5\r\nhello\n0\r\n\r\n"),
    "a chunk longer than its size": chunked(b"4\r\nhello\r\n0\r\n\r\n"),
    "a chunk shorter than its size": chunked(b"6\r\nhello\r\n0\r\n\r\n"),
    "bare LF at the end": chunked(b"5\r\nhello\r\n0\r\n\n"),
    "an extension with a bare LF": chunked(b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    "an extension with a bare CR": chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "an extension with NUL": chunked(b"5;a\x00\r\nhello\r\n0\r\n\r\n"),
    "an extension without end": chunked(b"5;" + b"a" * 2000),
    "a flood of extensions": chunked((b"1;" + b"a" * 900 + b"\r\nx\r\n") * 20),
    "a trailer without a colon": chunked(b"0\r\nX\r\n\r\n"),
    "a folded trailer": chunked(b"0\r\nX: a\r\n b\r\n\r\n"),
    "a trailer with a bare LF": chunked(b"0\r\nX: a\nY: b\r\n\r\n"),
    "a flood of trailers": chunked(b"0\r\n" + b"X: aaaaaaaaaaaaaaaaaaa\r\n" * 2000),
}


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def server(recorder: Recorder) -> Iterator[Running]:
    with serving(recorder) as running:
        yield running


@pytest.fixture(autouse=True)
def forget(recorder: Recorder) -> None:
    recorder.scopes.clear()
    recorder.bodies.clear()


@pytest.mark.parametrize("request_bytes", REFUSED.values(), ids=REFUSED.keys())
async def test_an_ambiguous_head_is_refused_with_json_and_the_connection_ends(
    server: Running, recorder: Recorder, request_bytes: bytes
) -> None:
    async with await RawConnection.open(server.address) as connection:
        await connection.send(request_bytes + SMUGGLED)
        response = await connection.response()
        assert response.status == 400
        assert response.header("connection") == "close"
        assert response.header("content-type") == "application/json"
        error = response.json()["error"]
        assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", None, "invalid_request")
        assert error["message"]
        assert not await connection.read_until_end(), "something followed the refusal"
    assert recorder.scopes == []


@pytest.mark.parametrize("request_bytes", REFUSED_IN_THE_BODY.values(), ids=REFUSED_IN_THE_BODY.keys())
async def test_an_ambiguous_body_never_ends_as_a_request(
    server: Running, recorder: Recorder, request_bytes: bytes
) -> None:
    async with await RawConnection.open(server.address) as connection:
        await connection.send(request_bytes + SMUGGLED)
        response = await connection.response()
        assert response.status in (400, 431)
        assert not await connection.read_until_end()
    await server.until(lambda: len(recorder.bodies) == 1)
    assert [scope["path"] for scope in recorder.scopes] == ["/x"]
    assert recorder.bodies == [None]


@pytest.mark.parametrize("request_bytes", REFUSED.values(), ids=REFUSED.keys())
async def test_an_ambiguous_head_is_refused_the_same_when_it_comes_byte_by_byte(
    server: Running, recorder: Recorder, request_bytes: bytes
) -> None:
    head, blank, _ = (request_bytes + SMUGGLED).partition(b"\r\n\r\n")
    transport = WrittenTransport()

    def feed() -> None:
        protocol = GuardedProtocol(recorder, server.server.state)
        protocol.connection_made(transport)
        for byte in head + blank:
            protocol.data_received(bytes((byte,)))
        protocol.connection_lost(None)

    server.call(feed)
    assert transport.written.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert transport.written.count(b"connection: close\r\n") == 1
    assert recorder.scopes == []


ACCEPTED = {
    "plain": (post(), b""),
    "a length": (post(b"Content-Length: 5\r\n", body=b"hello"), b"hello"),
    "a length after a tab": (post(b"Content-Length:\t5\r\n", body=b"hello"), b"hello"),
    "a length before spaces": (post(b"Content-Length: 5 \t\r\n", body=b"hello"), b"hello"),
    "chunks": (chunked(b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"), b"hello!"),
    "chunks, coding in capitals": (post(b"TRANSFER-ENCODING: Chunked\r\n", body=b"1\r\nx\r\n0\r\n\r\n"), b"x"),
    "a chunk extension": (chunked(b'5;a="b c"\r\nhello\r\n0;x\r\n\r\n'), b"hello"),
    "a size with zeros": (chunked(b"0005\r\nhello\r\n000\r\n\r\n"), b"hello"),
    "trailers": (chunked(b"5\r\nhello\r\n0\r\nX-Agent-Id: evil\r\nHost: b\r\n\r\n"), b"hello"),
    "an empty line before": (b"\r\n" + post(), b""),
    "a Host with a port": (post(host=b"Host: example.com:4000\r\n"), b""),
    "an IPv6 Host": (post(host=b"Host: [::1]:4000\r\n"), b""),
    "a Host with an underscore": (post(host=b"Host: my_service\r\n"), b""),
    "HTTP/1.0 without Host": (b"POST /x HTTP/1.0\r\n\r\n", b""),
    "an underscore elsewhere": (post(b"x_custom_header: y\r\n", b"Cookie: a_b=c\r\n"), b""),
    "obs-text in a value": (post(b"X: \xe4\r\n"), b""),
    "an odd target": (post(line=b'GET /x?a=%00{}|\\^`"<> HTTP/1.1'), b""),
}


@pytest.mark.parametrize(("request_bytes", "body"), ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_an_unusual_but_unambiguous_request_is_served(
    server: Running, recorder: Recorder, request_bytes: bytes, body: bytes
) -> None:
    async with await RawConnection.open(server.address) as connection:
        await connection.send(request_bytes)
        response = await connection.response()
    assert (response.status, response.body) == (200, body)
    (scope,) = recorder.scopes
    assert b"x-agent-id" not in dict(scope["headers"])
    assert scope["path"] == "/x"
