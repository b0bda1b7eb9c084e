"""The models that a `multipart/form-data` body names (RFC 7578), read while the body passes.

Readers of forms differ in what they put up with. What two of them could read differently is refused: a body is read as
its strictest reader would, and a field is taken for the model as the most lenient one would.
"""

import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from urllib.parse import unquote

from gateway.model.errors import UnreadableRequest

_HEADERS_LIMIT = 8 * 1024
_MODEL_LIMIT = 1024
_PARTS_LIMIT = 10_000
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'\s*;\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\\r\n]|\\.)*+)"|({_TOKEN}))')
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
"""RFC 2046 section 5.1.1."""
_HEADER = re.compile(rf"({_TOKEN}):[ \t]*([^\r\n\0]*)")
_NAMES_MODEL = re.compile(r"(?:^|[\[.])model(?:$|[\[\].])")
_PLAIN = frozenset({"7bit", "8bit", "binary"})
_CHARSETS = frozenset({"utf-8", "us-ascii"})


class _State(Enum):
    PREAMBLE = 0
    HEADERS = 1
    CONTENT = 2
    END = 3


class FormModels:
    """Reads one body: `feed` it, then `finish`. All raise UnreadableRequest for what cannot be read in one way.

    `size` counts the bytes read so far.
    """

    def __init__(self, content_type: str) -> None:
        kind, parameters = _parameters(content_type)
        boundary = parameters.get("boundary", "")
        if kind != "multipart/form-data" or _BOUNDARY.fullmatch(boundary) is None:
            raise _unreadable("its content type is not `multipart/form-data` with one boundary")
        self.size = 0
        self._delimiter = b"--" + boundary.encode()
        self._left = b"\r\n"  # so that the first delimiter, too, follows an end of line
        self._state = _State.PREAMBLE
        self._is_model = False
        self._parts = 0

    def feed(self, chunk: bytes) -> list[str]:
        """The models whose fields these bytes complete."""
        self.size += len(chunk)
        self._left += chunk
        return list(self._read())

    def finish(self) -> None:
        """The body is over."""
        if self._state is not _State.END:
            raise _unreadable("it is not complete")

    def _read(self) -> Iterator[str]:
        while True:
            if self._state is _State.END:
                if self._left.strip(b"\r\n"):
                    raise _unreadable("something comes after its end")
                self._left = b""
                return
            if self._state is _State.HEADERS:
                if not self._read_headers():
                    return
                continue
            content = self._content()
            if content is None:
                return
            if self._is_model:
                self._is_model = False
                yield _model(content)

    def _read_headers(self) -> bool:
        """Whether the headers of a part are complete; then its content follows."""
        end = self._left.find(b"\r\n\r\n")
        if self._left.startswith(b"\r\n") or max(end, len(self._left) if end < 0 else 0) > _HEADERS_LIMIT:
            raise _unreadable(f"a part has no headers, or more than {_HEADERS_LIMIT} bytes of them")
        if end < 0:
            return False
        self._is_model = _is_model(self._left[:end].decode("latin-1"))
        self._left = self._left[end + 4 :]
        self._state = _State.CONTENT
        return True

    def _content(self) -> bytes | None:
        """The end of a part's content, all of it if it is a model; None while it is not complete."""
        delimiter = self._delimiter
        at = self._left.find(delimiter)
        after = at + len(delimiter)
        if at < 0 or len(self._left) < after + 2:
            self._keep(at)
            return None
        content, mark = self._left[:at], self._left[after : after + 2]
        if not content.endswith(b"\r\n") or (self._state is _State.PREAMBLE and len(content) > 2):
            raise _unreadable("its boundary stands where no part begins")
        if mark not in (b"\r\n", b"--"):
            raise _unreadable("its boundary is followed by something else")
        self._parts += 1
        if self._parts > _PARTS_LIMIT:
            raise _unreadable(f"it has more than {_PARTS_LIMIT} parts")
        self._left = self._left[after + 2 :]
        self._state = _State.END if mark == b"--" else _State.HEADERS
        return content[:-2]

    def _keep(self, at: int) -> None:
        """Let go of what says nothing: of content that is no model all but what may be the beginning of its end."""
        if self._is_model:
            if len(self._left) > _MODEL_LIMIT + len(self._delimiter) + 4:
                raise _unreadable(f"the name of its model is longer than {_MODEL_LIMIT} bytes")
            return
        if self._state is _State.PREAMBLE and not self._left.startswith((b"\r\n" + self._delimiter)[: len(self._left)]):
            raise _unreadable("it does not begin with its boundary")
        self._left = self._left[max(0, at - 2) :] if at >= 0 else self._left[-(len(self._delimiter) + 1) :]


def _parameters(text: str) -> tuple[str, dict[str, str]]:
    """A header's value, in lower case, and its parameters, each of which may be there once."""
    value, semicolon, rest = text.partition(";")
    rest, parameters = (semicolon + rest).rstrip(" \t;"), dict[str, str]()
    while rest:
        found = _PARAMETER.match(rest)
        if found is None or found[1].lower() in parameters:
            raise _unreadable("the parameters of a header are not what RFC 7578 allows")
        parameters[found[1].lower()] = found[3] if found[2] is None else found[2]
        rest = rest[found.end() :]
    return value.strip().lower(), parameters


def _is_model(headers: str) -> bool:
    """Whether a part is taken for the model by any reader."""
    fields: dict[str, str] = {}
    for line in headers.split("\r\n"):
        found = _HEADER.fullmatch(line)
        if found is None or found[1].lower() in fields:
            raise _unreadable("a part has a header that is not one line, or is there twice")
        fields[found[1].lower()] = found[2]
    kind, parameters = _parameters(fields.get("content-disposition", ""))
    name = parameters.get("name")
    if kind != "form-data" or name is None or "name*" in parameters or "\\" in name:
        raise _unreadable("a part is no `form-data` with one plain name")
    if not _names_model(name):
        return False
    _, of_content = _parameters(fields.get("content-type", "text/plain"))
    coding, charset = fields.get("content-transfer-encoding", "8bit"), of_content.get("charset", "utf-8")
    if coding.strip().lower() not in _PLAIN or charset.lower() not in _CHARSETS:
        raise _unreadable("its model is written in a coding or a charset")
    return True


def _names_model(name: str) -> bool:
    with suppress(UnicodeDecodeError):  # then some reader takes it for Latin-1
        name = name.encode("latin-1").decode()
    folded = "".join(unicodedata.normalize("NFKC", unquote(name)).casefold().split())
    return _NAMES_MODEL.search(folded) is not None


def _model(content: bytes) -> str:
    try:
        name = content.decode()
    except UnicodeDecodeError:
        name = ""
    if not name or name != name.strip() or len(content) > _MODEL_LIMIT:
        raise _unreadable("its `model` is not a plain name")
    return name


def _unreadable(why: str) -> UnreadableRequest:
    return UnreadableRequest(f"Which model the form names cannot be said: {why}.", param="model")
