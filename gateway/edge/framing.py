"""HTTP/1.1 request framing (RFC 9112), strict: which bytes may be a request head, and where a body ends.

Never reads the network or a clock; never repairs what is malformed: two readers that repair differently are how
requests are smuggled.
"""

import re

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from gateway.model.headers import Headers

HEAD_END = b"\r\n\r\n"
CHUNKED = -1
"""The body length of a request whose body is chunked."""

# Possessive quantifiers (`*+`, `++`) never give back a match, so each pattern is linear in its input.
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_DASHED = _TOKEN.replace(b"_", b"")
_VALUE = rb"[\t\x20-\x7e\x80-\xff]"
_REQUEST_LINE = rb"([A-Z][A-Z-]*+) (/[!\"$->@-~]*+)(?:\?([!\"$-~]*+))? HTTP/1\.([01])\r\n"
_FIELD = rb"%b++:" + _VALUE + rb"*+\r\n"

_HEAD = re.compile(_REQUEST_LINE + rb"(?:" + _FIELD % _DASHED + rb")*+\r\n")
_HEAD_WITH_UNDERSCORES = re.compile(_REQUEST_LINE + rb"(?:" + _FIELD % _TOKEN + rb")*+\r\n")
_REQUEST_LINE_ALONE = re.compile(_REQUEST_LINE)
_FIELDS = re.compile(rb"(?:" + _FIELD % _TOKEN + rb")*+")
_LONE_CR_OR_LF = re.compile(rb"(?<!\r)\n|\r(?=[^\n])")
_HOST = re.compile(rb"(?:[0-9A-Za-z._~%-]++|\[[0-9A-Za-z:.%]++\])(?::[0-9]{0,5})?")
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*+"'
_EXTENSION = rb";%b++(?:=(?:%b++|%b))?" % (_TOKEN, _TOKEN, _QUOTED)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})((?:" + _EXTENSION + rb")*+)\r\n")

# With `_` for `-` another reader may take a header for one that the gateway or a proxy in front of it trusts.
_TRUSTED = frozenset(
    (
        *(b"x-agent-id", b"x-agent-key", b"x-agent-session", b"x-intent-token", b"x-admin-key"),
        *(b"authorization", b"x-api-key", b"api-key", b"host", b"x-forwarded-for"),
        *(b"content-length", b"transfer-encoding"),
    )
)
_FRAMING = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"))


class BadRequest(Exception):
    """Bytes that are no request we answer. `status` is 400, 408, 414 or 431; the connection closes after it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class Head:
    """A request head that has exactly one meaning.

    `length` counts the body's bytes, CHUNKED if it is chunked. Header names are lower-case, in the order received.
    """

    __slots__ = ("expects_continue", "headers", "http_11", "keep_alive", "length", "method", "path", "query")

    def __init__(self, method: str, path: bytes, query: bytes, http_11: bool, headers: Headers) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.http_11 = http_11
        self.headers = headers
        self.length = 0
        self.keep_alive = http_11
        self.expects_continue = False


class HeadReader:
    """Reads complete heads, one at a time.

    The grammar above and llhttp must both accept a head, so that a gap in one of them is not a gap in the guard.
    """

    __slots__ = ("_headers", "_host", "_max_fields", "_parser")

    def __init__(self, max_fields: int) -> None:
        self._max_fields = max_fields
        self._headers: Headers = []
        self._parser: HttpRequestParser | None = None
        self._host: bytes | None = None  # the last valid one: a connection nearly always repeats it

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by httptools."""
        self._headers.append((name.lower(), value))

    def read(self, data: bytes) -> Head:
        """The head that `data` is, up to and with its blank line. Raises BadRequest."""
        match = _HEAD.fullmatch(data) or _HEAD_WITH_UNDERSCORES.fullmatch(data)
        if match is None:
            raise BadRequest(_why_malformed(data))
        method, path, query, minor = match.groups()
        self._split(data)
        head = Head(method.decode(), path, query or b"", minor == b"1", self._headers)
        if len(head.headers) > self._max_fields:
            raise BadRequest(f"more than {self._max_fields} header fields", 431)
        if match.re is _HEAD_WITH_UNDERSCORES:
            _refuse_look_alikes(head.headers)
        if b" \r\n" in data or b"\t\r\n" in data:
            head.headers[:] = [(name, value.rstrip(b" \t")) for name, value in head.headers]
        self._frame(head)
        if head.length:
            self._parser = None  # it now expects the body, which is never shown to it
        return head

    def release(self) -> None:
        """Let go of the parser, which refers back to this object."""
        self._parser = None

    def _split(self, data: bytes) -> None:
        self._headers = []
        parser = self._parser or HttpRequestParser(self)
        try:
            parser.feed_data(data)
        except HttpParserUpgrade:  # served as the ordinary request it also is
            self._parser = None
        except HttpParserError as error:
            raise BadRequest(f"malformed request: {error}") from error
        else:
            self._parser = parser

    def _frame(self, head: Head) -> None:
        host: bytes | None = None
        length: bytes | None = None
        for name, value in head.headers:
            if name not in _FRAMING:
                continue
            if name == b"host":
                if host is not None:
                    raise BadRequest("more than one host header")
                host = value
            elif name == b"connection":
                if value != b"keep-alive" and b"close" in [token.strip() for token in value.lower().split(b",")]:
                    head.keep_alive = False
            elif name == b"content-length":
                if length is not None or head.length or not value.isdigit() or len(value) > 18:
                    raise BadRequest("content-length must be one decimal number, without transfer-encoding")
                length = value
            elif name == b"transfer-encoding":
                if head.length or length is not None or value.lower() != b"chunked" or not head.http_11:
                    raise BadRequest("transfer-encoding must be exactly `chunked`, without content-length")
                head.length = CHUNKED
            elif value.lower() == b"100-continue":
                head.expects_continue = head.http_11
        if length is not None:
            head.length = int(length)
        self._check_host(host, head.http_11)

    def _check_host(self, host: bytes | None, required: bool) -> None:
        if host is None:
            if required:
                raise BadRequest("the host header is missing")
        elif host != self._host:
            if not _HOST.fullmatch(host):
                raise BadRequest("the host header is not `host[:port]`")
            self._host = host


class ChunkedBody:
    """Takes the chunks of one body apart (RFC 9112 section 7.1); `done` after the last one.

    Extensions and trailer fields are checked and dropped: a trailer must never pass for a header.
    """

    __slots__ = ("_left", "_line", "_spare", "_trailing", "done")

    MAX_LINE = 1024
    MAX_EXTRAS = 8192
    """Bytes of extensions and trailers together, in one body."""

    def __init__(self) -> None:
        self.done = False
        self._line = b""  # the beginning of a line whose end has not come
        self._left = 0  # bytes of the current chunk still to come; -1: its CRLF is due
        self._trailing = False
        self._spare = self.MAX_EXTRAS

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """The body bytes in `data`, and what follows the end of the body. Raises BadRequest."""
        data, self._line = self._line + data, b""
        pieces: list[bytes] = []
        at = 0
        while at < len(data) and not self.done:
            if self._left > 0:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left = self._left - len(piece) or -1
                continue
            end = data.find(b"\n", at, at + self.MAX_LINE) + 1
            if not end:
                self._keep(data[at:])
                break
            self._take_line(data[at:end])
            at = end
        return b"".join(pieces), data[at:] if self.done else b""

    def _keep(self, line: bytes) -> None:
        if len(line) >= self.MAX_LINE or (self._left < 0 and line != b"\r"):
            raise BadRequest("malformed chunk")
        self._line = line

    def _take_line(self, line: bytes) -> None:
        if self._left < 0:
            if line != b"\r\n":
                raise BadRequest("a chunk is longer than its size")
            self._left = 0
        elif self._trailing:
            self._take_trailer(line)
        else:
            self._take_size(line)

    def _take_size(self, line: bytes) -> None:
        match = _CHUNK_SIZE.fullmatch(line)
        if match is None:
            raise BadRequest("malformed chunk size")
        self._spend(len(match[2]))
        self._left = int(match[1], 16)
        self._trailing = self._left == 0

    def _take_trailer(self, line: bytes) -> None:
        if line == b"\r\n":
            self.done = True
        elif _FIELDS.fullmatch(line):
            self._spend(len(line))
        else:
            raise BadRequest("malformed trailer")

    def _spend(self, size: int) -> None:
        self._spare -= size
        if self._spare < 0:
            raise BadRequest("too many chunk extensions or trailers", 431)


def field_lines(headers: Headers) -> bytes:
    """Header lines as they go on the wire. Raises ValueError where a name or value would break out of its line."""
    if not headers:
        return b""
    lines = b"\r\n".join(map(b": ".join, headers)) + b"\r\n"
    if lines.count(b"\n") != len(headers) or not _FIELDS.fullmatch(lines):
        raise ValueError("a response header holds a character that is not allowed")
    return lines


def check_beginning(data: bytes, fresh: int) -> None:
    """Refuse the first part of a head as soon as it cannot become one; `fresh` is the index of its newest byte.

    Raises BadRequest. Without it a head that never gets its CRLF CRLF, a TLS hello say, would wait for its deadline.
    """
    if not 65 <= data[0] <= 90 and data[0] != 13:
        raise BadRequest("the request line does not begin with a method")
    if _LONE_CR_OR_LF.search(data, max(fresh - 1, 0)):
        raise BadRequest("a line of the head does not end with CRLF")


def _why_malformed(data: bytes) -> str:
    if _REQUEST_LINE_ALONE.match(data):
        return "a header field is malformed"
    return "the request line is not `METHOD /path HTTP/1.1`"


def _refuse_look_alikes(headers: Headers) -> None:
    for name, _ in headers:
        dashed = name.replace(b"_", b"-")
        if dashed != name and (dashed in _TRUSTED or dashed.startswith(b"x-gateway-")):
            raise BadRequest(f"header `{name.decode()}` must be written `{dashed.decode()}`")
