"""Reads a stream of the Responses API. Its one turn has the number 0.

Most frames are deltas of text: those are parsed once and pass. Everything else is read with care, because a call that
the gateway takes for something else would reach the client unjudged.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from gateway.model.answer import Answer
from gateway.model.errors import Refusal
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import Withhold
from gateway.wire.dialect import CALL, ERROR, PLAIN, STREAM_END, TURN_END, Signals, UnreadableFrame
from gateway.wire.responses_calls import Calls
from gateway.wire.responses_events import (
    ADDED,
    DONE,
    ENDS,
    NOWHERE,
    STARTS,
    TEXTS,
    index_of,
    is_delicate,
    is_innocent,
    load,
)
from gateway.wire.responses_items import as_call, check_places, is_client_call, is_hosted, note_response
from gateway.wire.responses_refusal import Rewriter, failed_event

_END: Signals = (*TURN_END, *STREAM_END)


class ResponsesReader:
    """Reads one stream; see `StreamReader`."""

    def __init__(self) -> None:
        self.answer = Answer()
        self._calls = Calls()
        self._response: dict[str, Any] = {}
        self._sequence = -1
        self._passed: set[int] = set()
        self._held_from: int | None = None
        self._hosted: set[object] = set()

    def read(self, data: bytes, event: bytes) -> Signals:
        try:
            document = orjson.loads(data)
            name = TEXTS.get(document["type"])
            if name is not None and (event == name or not event) and is_innocent(data):
                self.answer.text_chars += len(document["delta"])
                if type(number := document.get("sequence_number")) is int:
                    self._sequence = number
                return PLAIN
        except (ValueError, KeyError, TypeError):
            pass  # not an ordinary delta
        return self._read_with_care(data, event)

    def calls(self, turn: int) -> Sequence[ToolCall]:
        return self._calls.proposed()

    def strip(self, frame: bytes) -> bytes:
        return frame  # nothing is ever injected into this dialect's streams

    def withhold(self, turn: int, frames: Sequence[bytes], ruling: Withhold) -> bytes:
        return Rewriter(self._calls, self._passed, self._held_from or 0, ruling).rewrite(frames)

    def error_frame(self, refusal: Refusal) -> bytes:
        return failed_event(self._response, self._sequence + 1, refusal)

    def _read_with_care(self, data: bytes, event: bytes) -> Signals:
        document = load(data)
        if document is None:
            return PLAIN
        kind = document.get("type")
        name = event.decode("utf-8", "replace")
        check_places(document, _items_of(kind, document))
        if not isinstance(kind, str):
            return self._read_untyped(document, name)
        if name not in ("", kind) and (is_delicate(kind) or is_delicate(name)):
            raise UnreadableFrame(f"an event named {name[:64]!r} whose type is {kind[:64]!r}")
        signals = self._read_typed(kind, document)
        if self._held_from is None and CALL[0] in signals:
            self._held_from = self._sequence + 1
        if type(number := document.get("sequence_number")) is int:
            self._sequence = number
        return signals

    def _read_untyped(self, document: dict[str, Any], name: str) -> Signals:
        if "item" in document or "response" in document or is_delicate(name):
            raise UnreadableFrame("an event without a type")
        return ERROR if document.get("error") else PLAIN

    def _read_typed(self, kind: str, document: dict[str, Any]) -> Signals:
        if kind in (ADDED, DONE):
            return self._read_item(kind, document)
        if kind in STARTS or kind in ENDS:
            return self._read_response(kind, document.get("response"))
        if kind == "error":
            return ERROR
        delta = document.get("delta")
        if isinstance(delta, str) and kind != "response.audio.delta":
            self.answer.text_chars += len(delta)
        return CALL if self._calls.piece(kind, document) else PLAIN

    def _read_item(self, kind: str, document: dict[str, Any]) -> Signals:
        item, index = document.get("item"), index_of(document)
        if item is None:
            return PLAIN
        if not isinstance(item, dict) or not isinstance(item.get("type"), str):
            raise UnreadableFrame("an output item without a type")
        if index == NOWHERE and is_client_call(item):
            raise UnreadableFrame("a call without output_index")
        if kind == DONE:
            self._note_hosted(item)
        is_call = self._calls.add(index, item) if kind == ADDED else self._calls.finish(index, item)
        if not is_call and self._held_from is None:
            self._passed.add(index)
        return CALL if is_call else PLAIN

    def _read_response(self, kind: str, response: object) -> Signals:
        if not isinstance(response, dict):
            raise UnreadableFrame(f"{kind} without a response")
        note_response(self.answer, response)
        output = response.get("output")
        items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
        found = self._calls.complete(items)
        if kind in STARTS:
            self._response = response
            return CALL if found else PLAIN
        for item in items:
            self._note_hosted(item)
        if kind == "response.failed" and not found:
            return ERROR
        return (*CALL, *_END) if found else _END

    def _note_hosted(self, item: dict[str, Any]) -> None:
        identity = str(item.get("id"))
        if is_hosted(item) and identity not in self._hosted:
            self._hosted.add(identity)
            self.answer.hosted.append(as_call(item))


def _items_of(kind: object, event: dict[str, Any]) -> list[Any]:
    """The items that the reader looks at in an event of this type."""
    response = event.get("response")
    if not isinstance(kind, str):
        return []
    if kind in (ADDED, DONE):
        return [event.get("item")]
    output = response.get("output") if isinstance(response, dict) else None
    return output if (kind in STARTS or kind in ENDS) and isinstance(output, list) else []
