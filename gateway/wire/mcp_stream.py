"""What an MCP server answers, whole or as a stream of events: read while it passes. With nothing to change, what comes
out is what went in, byte for byte.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from gateway.model.errors import Refusal
from gateway.wire.edit import remove_items
from gateway.wire.mcp import RequestId, error_event
from gateway.wire.sse import FrameSplitter, FrameTooLong, parse
from gateway.wire.strict_json import dumps

FRAME_LIMIT = 16 * 1024 * 1024
"""Bytes of one event: a result may hold files. Clients take less by default."""

HEARTBEAT = b":\n"
"""A comment line without the blank line after it, which some clients take for an event."""

Edit = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Sees every message of a server; gives back another one to be sent in its place, None for it to pass as it is."""

Observe = Callable[[dict[str, Any]], None]
"""Sees every answer of a server, as it came."""

Cut = Callable[[dict[str, Any]], Sequence[int]]
"""Sees every message of a server; says which items of its `result.tools` are left out."""

_TOOLS_CHANGED = b"tools/list_changed"

_ONE_LINE = re.compile(rb"[\r\n]")  # in JSON they stand between its parts only
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|\Z)")


class Answers:
    """Reads messages from a server.

    Args:
        waiting: ids of the requests that are not answered yet. edit, cut: None: nothing is ever changed.
        tools_changed: told when the server says that its tools have.

    Attributes:
        waiting: those that are not answered by now.
    """

    def __init__(
        self,
        waiting: Iterable[RequestId],
        observe: Observe,
        edit: Edit | None = None,
        *,
        cut: Cut | None = None,
        tools_changed: Callable[[], None] | None = None,
    ) -> None:
        self.waiting = list(waiting)
        self._observe = observe
        self._edit = edit
        self._cut = cut
        self._tools_changed = tools_changed

    def read(self, data: bytes) -> bytes | None:
        """Read one JSON document: a message, or an array of them. What to send instead, None to leave it."""
        if self._tools_changed is not None and _TOOLS_CHANGED in data:
            self._tools_changed()
        if self._edit is None and b'"result"' not in data and b'"error"' not in data and b"\\u" not in data:
            return None  # notifications and requests of the server
        document = self._loads(data)
        several = type(document) is list
        messages = document if several else [document]
        changed = [self._look(message) for message in messages]
        if all(one is None for one in changed):
            return self._without(data, messages, several=several)
        put = [new if new is not None else old for new, old in zip(changed, messages, strict=True)]
        written = dumps(put if several else put[0])
        without = self._without(written, put, several=several)
        return written if without is None else without

    def _loads(self, data: bytes) -> Any:
        """The document; None for what no client reads either, and so is no answer."""
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            if self._cut is None:
                return None
        try:  # a list that some client reads must not pass for none
            return json.loads(data)
        except (ValueError, RecursionError):
            return None

    def _without(self, data: bytes, messages: Sequence[Any], *, several: bool) -> bytes | None:
        """The text without the tools that are left out, every other byte as it is; None where there are none such."""
        if self._cut is None:
            return None
        found = None
        for at, message in enumerate(messages):
            doomed = self._cut(message) if type(message) is dict else ()
            if doomed:
                path = (at, "result", "tools") if several else ("result", "tools")
                found = remove_items(data if found is None else found, path, doomed)
        return found

    def _look(self, message: Any) -> dict[str, Any] | None:
        if type(message) is not dict:
            return None
        if "method" not in message:
            if (id := message.get("id")) in self.waiting:
                self.waiting.remove(id)
            self._observe(message)
        return self._edit(message) if self._edit is not None else None


class EventStream:
    """One stream of events. Only whole events leave, so that an event of the gateway may stand between any two."""

    def __init__(
        self, answers: Answers, *, limit: int = FRAME_LIMIT, id_of: Callable[[bytes], bytes] = lambda id: id
    ) -> None:
        self.answers = answers
        self._id_of = id_of
        self._splitter = FrameSplitter(limit)

    @property
    def pending(self) -> bool:
        """Whether an event has begun to arrive."""
        return self._splitter.pending

    def feed(self, chunk: bytes) -> bytes:
        """What may leave now. Raises Refusal `upstream_invalid` for an event that is too long."""
        try:
            frames = self._splitter.feed(chunk)
        except FrameTooLong:
            raise Refusal("upstream_invalid", "The MCP server sent an event that is too long.") from None
        return b"".join([self._passed(frame) for frame in frames])

    def close(self) -> bytes:
        """What is left at the end, complete or not."""
        rest = self._splitter.rest
        return self._passed(rest) if rest else b""

    def error(self, refusal: Refusal) -> bytes:
        """How the stream ends that a refusal cuts: every request that waits is answered with it."""
        return error_event(refusal, self.answers.waiting)

    def _passed(self, frame: bytes) -> bytes:
        _, data, has_data = parse(frame)
        changed = self.answers.read(data) if has_data else None
        passed = frame if changed is None else with_data(frame, changed)
        return with_id(passed, self._id_of) if b"id:" in passed else passed


def in_one_line(data: bytes) -> bytes:
    """The same JSON without line ends."""
    return _ONE_LINE.sub(b" ", data)


def with_id(frame: bytes, id_of: Callable[[bytes], bytes]) -> bytes:
    """The event with another id in place of its own; every other line as it is."""
    out = []
    for line in _LINE.findall(frame):
        text = line.rstrip(b"\r\n")
        name = b"id: " if text.startswith(b"id: ") else b"id:"
        id = text[len(name) :] if text.startswith(name) else b""
        out.append(name + id_of(id) + line[len(text) :] if id else line)
    return b"".join(out)


def with_data(frame: bytes, data: bytes) -> bytes:
    """The event with this data, one line, in place of its own; every other line as it is."""
    out, put = [], False
    for line in _LINE.findall(frame):
        if line.startswith(b"data") and line[4:5] in (b":", b"\r", b"\n", b""):
            if not put:
                out.append(b"data: " + in_one_line(data) + line[len(line.rstrip(b"\r\n")) :])
            put = True
        else:
            out.append(line)
    return b"".join(out)
