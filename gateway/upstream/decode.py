"""Undoes content codings within bounds: what a few kilobytes can turn into is the sender's choice, not ours.

A body is cut off at a limit of decoded bytes, and as soon as it has grown more than a hundredfold; neither is ever
held in memory beyond that. Several codings on top of each other are refused (RFC 9110 section 8.4 allows them, no
client of an LLM sends them, and each multiplies the growth).
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import brotli  # type: ignore[import-untyped]
import zstandard

from gateway.model.errors import Refusal, UnreadableRequest

LIMIT = 32 * 1024 * 1024
RATIO = 100
_GROWTH_FREE = 1024 * 1024
"""Decoded bytes up to which growth does not matter: short repetitive prompts do compress a hundredfold."""
_PIECE = 64 * 1024
_ZLIB_INPUT = 16 * 1024  # zlib copies what it leaves of its input at each call: time would grow with the square of it
_GZIP_MEMBERS = 1024  # a member of 18 bytes may say nothing, and each costs a new engine
_ZSTD_INPUT = 128  # the least input of a block is 4 bytes for 128 KiB: so few that one call yields at most 4 MiB
_ZSTD_WINDOW = 8 * 1024 * 1024  # RFC 9659: more is not to be used on the web


class Undecodable(Exception):
    """Broken, cut off, of an unknown coding, or too large (`too_large`)."""

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


def decode(body: bytes, encoding: str, *, limit: int = LIMIT, ratio: int = RATIO) -> bytes:
    """A request body without its content coding.

    Raises UnreadableRequest `payload_too_large` past a bound, `invalid_request` for what cannot be decoded.
    """
    try:
        return _whole(body, encoding, limit, ratio)
    except Undecodable as error:
        code = "payload_too_large" if error.too_large else "invalid_request"
        raise UnreadableRequest(f"`Content-Encoding`: {error}.", code=code) from None


def decode_answer(body: bytes, encoding: str, *, limit: int = LIMIT, ratio: int = RATIO) -> bytes:
    """A provider's whole answer without its content coding. Raises Refusal `upstream_invalid`."""
    try:
        return _whole(body, encoding, limit, ratio)
    except Undecodable as error:
        raise _invalid(error) from None


class Decoder:
    """A provider's answer without its content coding, as it arrives.

    Raises Refusal `upstream_invalid`: in the constructor for a coding it does not know, later past a bound.
    """

    def __init__(self, encoding: str, *, limit: int = LIMIT, ratio: int = RATIO) -> None:
        try:
            self._bounded = _Bounded(encoding, limit, ratio)
        except Undecodable as error:
            raise _invalid(error) from None

    def decode(self, data: bytes) -> bytes:
        """What these bytes add to the decoded answer; may be empty."""
        try:
            return b"".join(self._bounded.feed(data))
        except Undecodable as error:
            raise _invalid(error) from None

    def finish(self) -> None:
        """Say that the answer has ended; raises if the coding has not."""
        if not self._bounded.coding.ended:
            raise _invalid(Undecodable("the compressed body is cut off"))


def _invalid(error: Undecodable) -> Refusal:
    return Refusal("upstream_invalid", f"The provider's answer cannot be decoded: {error}.")


def _whole(body: bytes, encoding: str, limit: int, ratio: int) -> bytes:
    if encoding.strip().lower() in ("identity", ""):
        return body
    bounded = _Bounded(encoding, limit, ratio)
    decoded = b"".join(bounded.feed(body))
    if body and not bounded.coding.ended:
        raise Undecodable("the compressed body is cut off")
    return decoded


class _Bounded:
    """Counts what goes into a coding and what comes out of it."""

    def __init__(self, encoding: str, limit: int, ratio: int) -> None:
        name = encoding.strip().lower()
        if "," in name:
            raise Undecodable("several codings on top of each other are not accepted")
        make = _CODINGS.get(name)
        if make is None:
            raise Undecodable(f"only {', '.join(sorted(_CODINGS))} are known")
        self.coding = make()
        self._limit, self._ratio = limit, ratio
        self._out = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        coding = self.coding
        try:
            for piece in coding.feed(data):
                self._out += len(piece)
                if self._out > self._limit:
                    raise Undecodable(f"more than {self._limit} bytes when decoded", too_large=True)
                if self._out > _GROWTH_FREE and self._out > coding.taken * self._ratio:
                    raise Undecodable(f"more than {self._ratio} times as long when decoded", too_large=True)
                yield piece
        except (zlib.error, brotli.error, zstandard.ZstdError):
            raise Undecodable("the compressed body is damaged") from None


class _Coding(Protocol):
    @property
    def taken(self) -> int:
        """Bytes of input used up so far, at least those behind the output given."""

    @property
    def ended(self) -> bool: ...

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decoded pieces, each of bounded size."""


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self.taken = 0
        self.ended = False
        self._wbits = wbits
        self._engine = zlib.decompressobj(wbits)
        self._members = 1

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZLIB_INPUT):
            yield from self._feed(data[start : start + _ZLIB_INPUT])
        # All input may be in while a part of its last match is still to come.
        while not self.ended and (piece := self._engine.decompress(b"", _PIECE)):
            self.ended = self._engine.eof
            yield piece

    def _feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self.ended:
                self._again()
            before = len(data)
            piece = self._engine.decompress(data, _PIECE)
            data = self._engine.unconsumed_tail or self._engine.unused_data
            self.taken += before - len(data)
            self.ended = self._engine.eof
            if piece:
                yield piece

    def _again(self) -> None:
        """RFC 1952 section 2.2: a gzip file may have several members."""
        self._members += 1
        if self._wbits != _GZIP or self._members > _GZIP_MEMBERS:
            raise zlib.error
        self._engine = zlib.decompressobj(self._wbits)
        self.ended = False


class _Deflate:
    """RFC 9110 section 8.4.1.2: zlib format; some senders leave its header out, which its first two bytes show."""

    def __init__(self) -> None:
        self._first = b""
        self._inner: _Zlib | None = None

    @property
    def taken(self) -> int:
        return self._inner.taken if self._inner else 0

    @property
    def ended(self) -> bool:
        return self._inner is not None and self._inner.ended

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._inner is None:
            self._first += data
            if len(self._first) < 2:
                return
            data = self._first
            zlib_header = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._inner = _Zlib(zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS)
        yield from self._inner.feed(data)


class _Brotli:
    def __init__(self) -> None:
        self.taken = 0
        self._engine = brotli.Decompressor()

    @property
    def ended(self) -> bool:
        return bool(self._engine.is_finished())

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _PIECE):
            part = data[start : start + _PIECE]
            self.taken += len(part)
            piece = self._engine.process(part, output_buffer_limit=_PIECE)
            while piece or not self._engine.can_accept_more_data():  # all input may be in while output is still to come
                yield piece
                piece = self._engine.process(b"", output_buffer_limit=_PIECE)


class _Zstandard:
    def __init__(self) -> None:
        self.taken = 0
        self._engine = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()

    @property
    def ended(self) -> bool:
        return bool(self._engine.eof)

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_INPUT):
            if self.ended:
                raise zstandard.ZstdError("data after the end")
            part = data[start : start + _ZSTD_INPUT]
            self.taken += len(part)
            yield self._engine.decompress(part)
        if self._engine.unused_data:
            raise zstandard.ZstdError("data after the end")


_GZIP = zlib.MAX_WBITS | 16


def _gzip() -> _Zlib:
    return _Zlib(_GZIP)


_CODINGS: dict[str, Callable[[], _Coding]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstandard,
}
