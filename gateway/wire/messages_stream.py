"""Reads a stream of Anthropic's Messages API. Its one turn has the number 0.

https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from gateway.model.answer import Answer
from gateway.model.errors import Refusal
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import Withhold
from gateway.wire import sse
from gateway.wire.dialect import CALL, ERROR, PLAIN, STREAM_END, TURN_END, Signals, UnreadableFrame
from gateway.wire.hidden import hides_typed_calls
from gateway.wire.messages_blocks import as_call, is_client_call, is_hosted, read_usage, refused, text_chars
from gateway.wire.messages_errors import error_frame
from gateway.wire.renumber import Renumber
from gateway.wire.typed_events import frame, load

_DELTA = "content_block_delta"
_TEXTS = {"text_delta": "text", "thinking_delta": "thinking"}
_EVENTS = frozenset(
    {_DELTA, "content_block_start", "content_block_stop", "message_start", "message_delta", "message_stop"}
)
_WRITTEN = frozenset({"input"})
"""What the model wrote for a tool: nobody looks for calls in it."""
_NAMES_OF_CALLS = (b"tool_use", b"_json", b"\\u")


class MessagesReader:
    """Reads one stream; see `StreamReader`."""

    def __init__(self) -> None:
        self.answer = Answer()
        self._calls: dict[int, dict[str, Any]] = {}
        self._hosted: dict[int, dict[str, Any]] = {}
        self._others: set[int] = set()
        self._passed: set[int] = set()
        self._pieces: dict[int, list[str]] = {}
        self._usage: dict[str, Any] = {}
        self._turn_ended = False

    def read(self, data: bytes, event: bytes) -> Signals:
        try:
            document = orjson.loads(data)
            if document["type"] == _DELTA and (event == b"content_block_delta" or not event):
                delta = document["delta"]
                member = _TEXTS.get(delta["type"])
                # A frame with no name of a call in it, escaped or not, cannot be taken for one by anybody.
                if member is not None and b"tool_use" not in data and b"_json" not in data and b"\\u" not in data:
                    self.answer.text_chars += len(delta[member])
                    return PLAIN
        except (ValueError, KeyError, TypeError):
            pass  # not an ordinary delta
        return self._read_with_care(data, event)

    def calls(self, turn: int) -> Sequence[ToolCall]:
        return [self._call(index, block) for index, block in sorted(self._calls.items())]

    def strip(self, frame: bytes) -> bytes:
        return frame  # nothing is ever injected into this dialect's streams

    def withhold(self, turn: int, frames: Sequence[bytes], ruling: Withhold) -> bytes:
        places = Renumber(self._passed)
        return b"".join(part for raw in frames for part in self._without_calls(raw, places, ruling))

    def error_frame(self, refusal: Refusal) -> bytes:
        return error_frame(refusal)

    def _read_with_care(self, data: bytes, event: bytes) -> Signals:
        document = load(data, _NAMES_OF_CALLS)
        if document is None:
            return PLAIN
        kind, name = document.get("type"), event.decode("utf-8", "replace")
        kind = kind if isinstance(kind, str) else None
        if name not in ("", kind) and (kind in _EVENTS or name in _EVENTS):
            raise UnreadableFrame(f"an event named {name[:64]!r} whose type is {str(kind)[:64]!r}")
        check_places(document, _blocks_of(document))
        if kind == "error" or (kind is None and document.get("error")):
            return ERROR
        if kind == "message_start":
            return self._read_start(document.get("message"))
        if kind == "message_delta":
            return self._read_end(document)
        if kind == "message_stop":
            return STREAM_END if self._turn_ended else (*TURN_END, *STREAM_END)
        if kind == "content_block_start":
            return self._read_block(document.get("index"), document.get("content_block"))
        return self._read_part(kind, document)

    def _read_start(self, message: object) -> Signals:
        if not isinstance(message, dict):
            raise UnreadableFrame("message_start without a message")
        answer = self.answer
        answer.id = message["id"] if isinstance(message.get("id"), str) else None
        answer.model = message["model"] if isinstance(message.get("model"), str) else None
        self._note_usage(message.get("usage"))
        content = message.get("content")
        signals = PLAIN
        for index, block in enumerate(content if isinstance(content, list) else ()):
            signals = self._read_block(index, block) or signals
        return signals

    def _read_block(self, index: object, block: object) -> Signals:
        if type(index) is not int or not isinstance(block, dict):
            raise UnreadableFrame("a content block without index or content")
        if index in self._calls or index in self._others:
            raise UnreadableFrame("two content blocks with one index")
        self.answer.text_chars += text_chars(block)
        if is_client_call(block):
            self._calls[index] = block
            return self._signal_call()
        if is_hosted(block):
            self._hosted[index] = block
        self._others.add(index)
        if not self._calls:
            self._passed.add(index)
        return PLAIN

    def _read_part(self, kind: object, document: dict[str, Any]) -> Signals:
        index, delta = document.get("index"), document.get("delta")
        if type(index) is not int:
            if kind == _DELTA:
                raise UnreadableFrame("a delta without index")
            return PLAIN
        if isinstance(delta, dict):
            self._read_delta(index, delta)
        if kind == "content_block_stop" and index in self._hosted:
            self.answer.hosted.append(self._call(index, self._hosted.pop(index)))
        return self._signal_call() if index in self._calls else PLAIN

    def _signal_call(self) -> Signals:
        if self._turn_ended:
            raise UnreadableFrame("a call after the end of its turn")
        return CALL

    def _read_delta(self, index: int, delta: dict[str, Any]) -> None:
        kind = delta.get("type")
        if kind != "input_json_delta":
            text = delta.get(_TEXTS.get(str(kind), ""))
            self.answer.text_chars += len(text) if isinstance(text, str) else 0
            return
        piece = delta.get("partial_json")
        if not isinstance(piece, str) or not (index in self._calls or index in self._hosted):
            raise UnreadableFrame("arguments that belong to no call")
        self.answer.text_chars += len(piece)
        self._pieces.setdefault(index, []).append(piece)

    def _read_end(self, document: dict[str, Any]) -> Signals:
        self._note_usage(document.get("usage"))
        delta = document.get("delta")
        reason = delta.get("stop_reason") if isinstance(delta, dict) else None
        if not isinstance(reason, str):
            return PLAIN
        self.answer.finish_reason = reason
        self._turn_ended = True
        return TURN_END

    def _note_usage(self, usage: object) -> None:
        if isinstance(usage, dict):
            self._usage |= {name: value for name, value in usage.items() if value is not None}
            self.answer.usage = read_usage(self._usage)

    def _call(self, index: int, block: dict[str, Any]) -> ToolCall:
        return as_call(block, "".join(self._pieces.get(index, ())))

    def _without_calls(self, raw: bytes, places: Renumber, ruling: Withhold) -> Iterator[bytes]:
        event = load(sse.parse(raw)[1], _NAMES_OF_CALLS)
        if event is None:
            yield raw
            return
        kind, index = event.get("type"), event.get("index")
        if kind == "message_start":
            yield frame({**event, "message": self._emptied(event["message"], places)})
        elif kind == "message_delta" and _stops(event):
            yield from _text_block(places.free, ruling.text)
            yield frame({**event, "delta": refused(event["delta"], ruling)})
        elif kind == "message_stop" and not self._turn_ended:
            yield from _text_block(places.free, ruling.text)
            delta = refused({"stop_reason": None, "stop_sequence": None}, ruling)
            yield frame({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 0} | self._usage})
            yield raw
        elif type(index) is not int:
            yield raw
        elif index not in self._calls:
            yield frame({**event, "index": places.place(index)})

    def _emptied(self, message: dict[str, Any], places: Renumber) -> dict[str, Any]:
        kept = [block for index, block in enumerate(message["content"]) if index not in self._calls]
        for index in range(len(message["content"])):
            if index not in self._calls:
                places.place(index)
        return {**message, "content": kept}


def check_places(document: dict[str, Any], read: object) -> None:
    """Raise UnreadableFrame if the document has calls of the client that are not among the list `read`."""
    if hides_typed_calls(document, read if isinstance(read, list) else (), is_client_call, _WRITTEN):
        raise UnreadableFrame("it has tool calls where no client should look")


def _blocks_of(event: dict[str, Any]) -> object:
    """The content blocks that the reader looks at in this event."""
    if event.get("type") == "content_block_start":
        return [event.get("content_block")]
    message = event.get("message")
    return message.get("content") if event.get("type") == "message_start" and isinstance(message, dict) else None


def _stops(event: dict[str, Any]) -> bool:
    return isinstance(event.get("delta"), dict) and isinstance(event["delta"].get("stop_reason"), str)


def _text_block(index: int, text: str) -> Iterator[bytes]:
    yield frame({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}})
    yield frame({"type": _DELTA, "index": index, "delta": {"type": "text_delta", "text": text}})
    yield frame({"type": "content_block_stop", "index": index})
