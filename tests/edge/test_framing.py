"""Heads and bodies, without a socket."""

import contextlib

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.edge.framing import CHUNKED, BadRequest, ChunkedBody, HeadReader, check_beginning, field_lines

HEAD = b"POST /v1/chat/completions?a=b HTTP/1.1\r\nHost: a\r\nX-Custom: y\r\nContent-Length: 5\r\n\r\n"


def read(data: bytes, max_fields: int = 64) -> object:
    return HeadReader(max_fields).read(data)


def test_a_head_is_split_into_what_the_application_needs() -> None:
    head = HeadReader(64).read(HEAD)
    assert (head.method, head.path, head.query) == ("POST", b"/v1/chat/completions", b"a=b")
    assert head.headers == [(b"host", b"a"), (b"x-custom", b"y"), (b"content-length", b"5")]
    assert (head.length, head.http_11, head.keep_alive, head.expects_continue) == (5, True, True, False)


def test_one_reader_reads_requests_with_and_without_bodies_and_upgrades_one_after_the_other() -> None:
    reader = HeadReader(64)
    upgrade = b"POST /u HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\n"
    plain = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    chunked = b"PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    lengths = [reader.read(head).length for head in (HEAD, plain, upgrade, plain, chunked, upgrade, plain, HEAD)]
    assert lengths == [5, 0, 3, 0, CHUNKED, 3, 0, 5]


@pytest.mark.parametrize(
    ("field", "keeps"),
    [
        (b"Connection: keep-alive", True),
        (b"Connection: Close", False),
        (b"Connection: foo , close", False),
        (b"Connection: closed", True),
        (b"Connection: upgrade", True),
        (b"Connection: keep-alive\r\nConnection: close", False),
    ],
)
def test_the_client_decides_whether_the_connection_persists(field: bytes, keeps: bool) -> None:
    assert HeadReader(64).read(b"GET / HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n\r\n").keep_alive is keeps


def test_http_1_0_never_persists_and_knows_no_continue() -> None:
    head = HeadReader(64).read(b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n")
    assert (head.keep_alive, head.expects_continue) == (False, False)


def test_one_field_more_than_allowed_is_too_many() -> None:
    fields = b"".join(b"X-%d: y\r\n" % number for number in range(7))
    read(b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n", max_fields=8)
    with pytest.raises(BadRequest) as refused:
        read(b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"X: y\r\n\r\n", max_fields=8)
    assert refused.value.status == 431


def test_the_message_of_a_look_alike_names_both_spellings() -> None:
    with pytest.raises(BadRequest, match="`x_agent_id` must be written `x-agent-id`"):
        read(b"GET / HTTP/1.1\r\nHost: a\r\nX_Agent_Id: y\r\n\r\n")


@given(
    at=st.integers(0, len(HEAD) - 1),
    inserted=st.binary(max_size=3) | st.sampled_from([b"\r\n", b"\n", b"\r", b" ", b"\r\n ", b": ", b"\x00"]),
    removed=st.integers(0, 3),
)
@example(at=len(HEAD) - 4, inserted=b"\nTransfer-Encoding: chunked", removed=0)
def test_whatever_head_is_accepted_llhttp_reads_the_same(at: int, inserted: bytes, removed: int) -> None:
    mutated = HEAD[:at] + inserted + HEAD[at + removed :]
    with contextlib.suppress(BadRequest):
        head = HeadReader(64).read(mutated)
        seen: list[tuple[bytes, bytes]] = []

        class Sink:
            def on_header(self, name: bytes, value: bytes) -> None:
                seen.append((name.lower(), value.rstrip(b" \t")))

        httptools.HttpRequestParser(Sink()).feed_data(mutated)
        assert head.headers == seen
        lengths = [value for name, value in seen if name == b"content-length"]
        assert head.length == (int(lengths[0]) if lengths else 0)
        assert sum(name == b"host" for name, _ in seen) == 1


# Chunks


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in zip(places, places[1:], strict=False)]


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    rest=st.binary(max_size=10),
    cuts=st.lists(st.integers(0, 500), max_size=12),
)
def test_a_chunked_body_is_the_same_however_it_is_cut(chunks: list[bytes], rest: bytes, cuts: list[int]) -> None:
    wire = b"".join(b"%x;e=1\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nX: y\r\n\r\n" + rest
    decoder, body, left = ChunkedBody(), b"", b""
    for piece in pieces(wire, cuts):
        if decoder.done:
            left += piece
        else:
            more, left = decoder.feed(piece)
            body += more
    assert decoder.done
    assert (body, left) == (b"".join(chunks), rest)


class Reference:
    """llhttp's reading of a chunked body."""

    def __init__(self) -> None:
        self.body = b""
        self.done = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.done = True


CHUNKS = b"5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\nX-T: y\r\n\r\n"


@given(
    at=st.integers(0, len(CHUNKS) - 1), inserted=st.sampled_from([*(b"%c" % n for n in range(256)), b"\r\n", b"0\r\n"])
)
def test_a_chunked_body_that_is_accepted_llhttp_reads_the_same(at: int, inserted: bytes) -> None:
    for mutated in (CHUNKS[:at] + inserted + CHUNKS[at:], CHUNKS[:at] + inserted + CHUNKS[at + 1 :]):
        decoder = ChunkedBody()
        try:
            body, rest = decoder.feed(mutated)
        except BadRequest:
            continue
        if decoder.done:
            reference = Reference()
            reference.parser.feed_data(mutated[: len(mutated) - len(rest)])
            assert (reference.body, reference.done) == (body, True)


def test_what_a_chunked_body_keeps_is_bounded() -> None:
    decoder = ChunkedBody()
    with pytest.raises(BadRequest):
        for _ in range(ChunkedBody.MAX_LINE + 1):
            decoder.feed(b"0")


def test_extensions_and_trailers_may_have_so_many_bytes_together() -> None:
    start, end = b"1;%b\r\nx\r\n0\r\n" % (b"e" * 99), b"Y: 1\r\n"
    filler = b"X: %b\r\n"
    spare = ChunkedBody.MAX_EXTRAS - 100 - len(end)
    lines = [filler % (b"a" * 995)] * 8
    lines.append(filler % (b"a" * (spare - 8000 - 5)))
    decoder = ChunkedBody()
    assert decoder.feed(start + b"".join(lines) + end + b"\r\n") == (b"x", b"")
    assert decoder.done
    with pytest.raises(BadRequest) as refused:
        ChunkedBody().feed(start + b"".join(lines) + b"Y: 12\r\n\r\n")
    assert refused.value.status == 431


@pytest.mark.parametrize(("digits", "accepted"), [(18, True), (19, False)])
def test_a_length_has_at_most_eighteen_digits(digits: int, accepted: bool) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %b\r\n\r\n" % (b"1" * digits)
    if accepted:
        assert read(head).length == int("1" * digits)
    else:
        with pytest.raises(BadRequest):
            read(head)


# Beginnings


@pytest.mark.parametrize(
    "beginning", [b"\x16\x03\x01", b"get / HTTP/1.1\r\n", b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\rX"]
)
def test_a_beginning_that_cannot_become_a_head_is_refused_at_once(beginning: bytes) -> None:
    with pytest.raises(BadRequest):
        check_beginning(beginning, 0)
    with pytest.raises(BadRequest):
        check_beginning(beginning, len(beginning) - 1)  # only its last byte is new


@pytest.mark.parametrize("end", range(1, len(HEAD)))
def test_a_beginning_of_a_good_head_is_not_refused(end: int) -> None:
    check_beginning(HEAD[:end], 0)
    check_beginning(HEAD[:end], end - 1)


# Response headers


def test_field_lines_go_on_the_wire_as_they_are() -> None:
    assert field_lines([(b"a", b"b"), (b"c-d", b"")]) == b"a: b\r\nc-d: \r\n"
    assert field_lines([]) == b""


@pytest.mark.parametrize(
    "field",
    [
        (b"a", b"b\r\nc: d"),
        (b"a", b"b\nc"),
        (b"a", b"b\rc"),
        (b"a", b"\x00"),
        (b"a b", b"c"),
        (b"", b"c"),
        (b"a\r\nb", b"c"),
    ],
)
def test_a_field_that_would_break_out_of_its_line_is_an_error(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        field_lines([(b"x", b"y"), field])
