"""Server-sent events, sans-io: splits a stream into raw frames and reads a frame's fields. Never changes a byte.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re

FRAME_LIMIT = 4 * 1024 * 1024
"""Bytes of one frame at most."""

_BOM = b"\xef\xbb\xbf"

# The end of a line followed by an empty one. A CR LF pair counts as one line end, so "\r\n" alone matches nothing. The
# trailing "\n?" takes the LF of a pair along when it has arrived already.
_BLANK_LINE = re.compile(rb"\n\n|\n\r\n?|\r\r\n?")

_ID_LINE = re.compile(rb"(?:\A|[\r\n])id(?:[:\r\n]|\Z)")

# What only lenient readers take for data: those that strip white space or a byte order mark, ignore case, or split text
# where Python's `str.splitlines` does.
_OTHER_LINE = re.compile(rb"(?:\A|(?<=[\r\n]))(?!data:)[^\r\n{]*+\{[^\r\n]*+")
_OTHER_FIELD = re.compile(rb"(?:event|id|retry)?:")
_OTHER_LINE_END = re.compile(rb"[\x0b\x0c\x1c-\x1e]|\xc2\x85|\xe2\x80[\xa8\xa9]")

_LINE_END = re.compile(rb"\r\n|\r|\n")


class FrameTooLong(Exception):
    """A frame passed the limit. `frames` are the ones of the same chunk that were complete before it."""

    def __init__(self, frames: list[bytes]) -> None:
        super().__init__("a frame of the stream is too long")
        self.frames = frames


class FrameSplitter:
    """Cuts a byte stream after each blank line. All frames and `rest`, put together, are the input, byte for byte.

    A frame that is complete at a CR leaves at once: should an LF follow in the next chunk, it stands at the front of
    the next frame, where `parse` skips it. A byte order mark at the start of the stream is a frame of its own.

    Args:
        limit: bytes of one frame; past it `feed` raises FrameTooLong, and the splitter must not be fed again.
    """

    def __init__(self, limit: int = FRAME_LIMIT) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._fresh = True

    @property
    def rest(self) -> bytes:
        """The bytes of the frame that is not complete yet."""
        return bytes(self._buffer)

    @property
    def pending(self) -> bool:
        """Whether `rest` holds anything."""
        return bool(self._buffer)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The frames that this chunk completes; a chunk that is exactly one frame comes back as the same object."""
        if self._buffer or self._fresh or b"\r" in chunk or not chunk.endswith(b"\n\n") or len(chunk) > self._limit:
            return self._feed_slowly(chunk)
        if chunk.find(b"\n\n") == len(chunk) - 2:
            return [chunk]
        return [part + b"\n\n" for part in chunk[:-2].split(b"\n\n")]

    def _feed_slowly(self, chunk: bytes) -> list[bytes]:
        buffer = self._buffer
        # The last byte seen may be the first half of a blank line; everything before it was searched already.
        position = max(0, len(buffer) - 1)
        buffer += chunk
        frames: list[bytes] = []
        start = 0
        if self._fresh:
            if len(buffer) < 3 and _BOM.startswith(buffer):
                return frames
            self._fresh = False
            if buffer.startswith(_BOM):
                frames.append(_BOM)
                start = 3
        for match in _BLANK_LINE.finditer(buffer, max(position, start)):
            if match.end() - start > self._limit:
                raise FrameTooLong(frames)
            frames.append(bytes(buffer[start : match.end()]))
            start = match.end()
        del buffer[:start]
        if len(buffer) > self._limit:
            raise FrameTooLong(frames)
        return frames


def parse(frame: bytes) -> tuple[bytes, bytes, bool]:
    """The frame's `event` name, its `data` lines joined by LF, and whether it has any (without, nothing is dispatched).

    A last line that is not ended is read as if it were, so that a tail cut off before its blank line can be judged.
    """
    end = len(frame) - 2
    if frame.startswith(b"data: "):
        if frame.find(b"\n") == end and b"\r" not in frame:
            return b"", frame[6:end], True
    elif frame.startswith(b"event: "):
        first = frame.find(b"\n")
        if frame.startswith(b"data: ", first + 1) and frame.find(b"\n", first + 7) == end and b"\r" not in frame:
            return frame[7:first], frame[first + 7 : end], True
    return _parse_slowly(frame)


def _parse_slowly(frame: bytes) -> tuple[bytes, bytes, bool]:
    event = b""
    data: list[bytes] = []
    for line in _LINE_END.split(frame):
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        elif name == b"event":
            event = value.removeprefix(b" ")
    return event, b"\n".join(data), bool(data)


def has_stray_data(frame: bytes) -> bool:
    """Whether a line that is not `data` holds an object that a lenient reader could take for data."""
    lines: list[bytes] = _OTHER_LINE.findall(frame)
    return any(not _OTHER_FIELD.match(line) or _OTHER_LINE_END.search(line) for line in lines)


def has_id(frame: bytes) -> bool:
    """Whether the frame has an `id` field: a client that remembers one reads a later comment as an empty event."""
    return b"id" in frame and _ID_LINE.search(frame) is not None
