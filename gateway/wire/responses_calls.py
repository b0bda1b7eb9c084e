"""Puts the calls of a Responses stream together from everything the stream says of them.

A call is told up to four times: in pieces, at the end of the pieces, as a finished item and in the finished response.
Clients differ in which telling they execute, so all must agree; a call whose tellings differ gets a `problem`.
"""

from dataclasses import dataclass, field
from typing import Any

from gateway.model.tool_call import ToolCall
from gateway.wire.dialect import CALLS_LIMIT, UnreadableFrame
from gateway.wire.responses_events import NOWHERE, index_of, tells_of_call
from gateway.wire.responses_items import as_call, is_client_call, is_hosted, payload

_FUNCTION = "response.function_call_arguments"
_CUSTOM = "response.custom_tool_call_input"
_COMMAND = "response.shell_call_command"
_PATCH = "response.apply_patch_call_operation_diff"
_KINDS = {_FUNCTION: "function_call", _CUSTOM: "custom_tool_call", _COMMAND: "shell_call", _PATCH: "apply_patch_call"}


def _spelled(stream: str, part: int, item: dict[str, Any]) -> object:
    """The text in `item` that the pieces of `stream` spell; None where there is none."""
    if stream == _FUNCTION:
        return item.get("arguments")
    if stream == _CUSTOM:
        return item.get("input")
    if stream == _PATCH:
        operation = item.get("operation")
        return operation.get("diff") if isinstance(operation, dict) else None
    action = item.get("action")
    commands = action.get("commands") if isinstance(action, dict) else None
    return commands[part] if isinstance(commands, list) and 0 <= part < len(commands) else None


@dataclass(slots=True)
class _Telling:
    """Everything the stream said of one call."""

    added: dict[str, Any] | None = None
    finished: list[dict[str, Any]] = field(default_factory=list)
    pieces: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    ends: dict[tuple[str, int], object] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    @property
    def copies(self) -> list[dict[str, Any]]:
        return self.finished if self.added is None else [self.added, *self.finished]

    def take(self, event: str, document: dict[str, Any]) -> None:
        """Note a piece of the call, or the end of its pieces. Raises UnreadableFrame."""
        stream, _, step = event.rpartition(".")
        part = document.get("command_index", 0)
        text = document.get("delta") if step == "delta" else document.get(_ENDS.get(stream, "command"))
        if not isinstance(text, str) or type(part) is not int:
            raise UnreadableFrame(f"{event} without text")
        if step == "done":
            self.ends[stream, part] = text
        else:
            self.pieces.setdefault((stream, part), []).append(text)
        if isinstance(name := document.get("name"), str):
            self.names.add(name)

    def call(self) -> ToolCall:
        item = self.finished[-1] if self.finished else self._unfinished()
        agrees = self._same_identity() and self._same_payload(item) and self._same_pieces(item)
        return as_call(item, None if agrees else "the stream tells it in ways that differ")

    def _unfinished(self) -> dict[str, Any]:
        """The item as a client would put it together when it never saw it finished."""
        (stream, part) = next(iter({**self.pieces, **self.ends}), (_FUNCTION, 0))
        item = dict(self.added or {"type": _KINDS[stream], "name": min(self.names, default=None)})
        if stream in (_FUNCTION, _CUSTOM) and (self.pieces or self.ends):
            text = self._joined(stream, part) if self.pieces else self.ends[stream, part]
            item["arguments" if stream == _FUNCTION else "input"] = text
        return item

    def _joined(self, stream: str, part: int) -> str:
        """What the pieces amount to, after what the item said when it was added."""
        start = None if self.added is None else _spelled(stream, part, self.added)
        return (start if isinstance(start, str) else "") + "".join(self.pieces[stream, part])

    def _same_identity(self) -> bool:
        copies = self.copies
        told = [{copy[key] for copy in copies if isinstance(copy.get(key), str)} for key in _IDENTITY]
        told.append(self.names.union(copy["name"] for copy in copies if isinstance(copy.get("name"), str)))
        return all(len(values) < 2 for values in told) and len({is_client_call(copy) for copy in self.finished}) < 2

    def _same_payload(self, item: dict[str, Any]) -> bool:
        if len({payload(copy) for copy in self.finished}) > 1:
            return False
        if self.added is None or self.pieces:
            return True
        starts = ((self.added.get(member), item.get(member)) for member in ("arguments", "input"))
        return all(start == final for start, final in starts if isinstance(start, str) and start)

    def _same_pieces(self, item: dict[str, Any]) -> bool:
        for stream, part in self.pieces:
            joined, final = self._joined(stream, part), _spelled(stream, part, item)
            # A stream that is resumed in the middle of a call has only the call's last pieces.
            resumed = self.added is None and isinstance(final, str) and final.endswith(joined)
            if joined != final and not resumed:
                return False
        return all(text == _spelled(stream, part, item) for (stream, part), text in self.ends.items())


_IDENTITY = ("type", "call_id", "namespace", "server_label", "execution")
_ENDS = {_FUNCTION: "arguments", _CUSTOM: "input", _PATCH: "diff"}


class Calls:
    """The calls of one stream, in the order of their output items."""

    def __init__(self) -> None:
        self._tellings: dict[int, _Telling] = {}
        self._others: dict[int, str] = {}
        self._by_identity: dict[tuple[str, str], int] = {}

    def add(self, index: int, item: dict[str, Any]) -> bool:
        """An item was added. True if it is a call the client would execute. Raises UnreadableFrame."""
        if not self._is_call(index, item):
            return False
        telling = self._telling(index)
        if telling.added is not None:
            raise UnreadableFrame("two items with one output_index")
        telling.added = item
        self._remember(index, item)
        return True

    def finish(self, index: int, item: dict[str, Any]) -> bool:
        """An item is finished. True if it is a call the client would execute. Raises UnreadableFrame."""
        if not self._is_call(index, item):
            return False
        self._finish(index, item)
        return True

    def _is_call(self, index: int, item: dict[str, Any]) -> bool:
        """Once anything looked like a call of the client, it is judged as one, even if others say it was hosted."""
        if is_client_call(item):
            return True
        if index not in self._tellings:
            self._others[index] = item["type"]
            return False
        if not is_hosted(item):
            raise UnreadableFrame("an item that was a call before")
        return True

    def complete(self, output: list[Any]) -> bool:
        """The response holds these items. True if one of them is a call the client would execute."""
        found = False
        for position, item in enumerate(output):
            if isinstance(item, dict) and is_client_call(item):
                self._finish(self._place(position, item), item)
                found = True
        return found

    def piece(self, event: str, document: dict[str, Any]) -> bool:
        """An event about a part of an item. True if that is a call the client would execute. Raises UnreadableFrame."""
        index = index_of(document)
        stream = event.rpartition(".")[0]
        if index not in self._tellings:
            kind = self._others.get(index)
            if not tells_of_call(event) or (kind is not None and _is_about(event, kind)):
                return False
            if kind is not None:
                raise UnreadableFrame(f"{event} for an item of type {kind[:64]!r}")
        telling = self._telling(index)
        if stream in _KINDS:
            telling.take(event, document)
        return True

    def belongs(self, event: dict[str, Any]) -> bool:
        """Whether an event that has been read is about a call the client would execute."""
        item = event.get("item")
        if isinstance(item, dict) and is_client_call(item):
            return True
        index = index_of(event)
        if index == NOWHERE and not tells_of_call(event["type"]):
            return False
        return index in self._tellings

    def proposed(self) -> list[ToolCall]:
        """Every call the client would execute."""
        return [telling.call() for _, telling in sorted(self._tellings.items())]

    def _telling(self, index: int) -> _Telling:
        telling = self._tellings.get(index)
        if telling is None:
            if len(self._tellings) >= CALLS_LIMIT:
                raise UnreadableFrame("its turn has too many calls")
            telling = self._tellings[index] = _Telling()
        return telling

    def _finish(self, index: int, item: dict[str, Any]) -> None:
        finished = self._telling(index).finished
        if len(finished) >= _COPIES_LIMIT:
            raise UnreadableFrame("a call that was told too often")
        finished.append(item)
        self._remember(index, item)

    def _remember(self, index: int, item: dict[str, Any]) -> None:
        for key in ("call_id", "id"):
            if isinstance(identity := item.get(key), str):
                self._by_identity.setdefault((key, identity), index)

    def _place(self, position: int, item: dict[str, Any]) -> int:
        """The index under which this item of a finished response was told before, or a new one."""
        key = "call_id" if isinstance(item.get("call_id"), str) else "id"
        identity = item.get(key)
        told = self._tellings.get(position)
        if not isinstance(identity, str):
            return position if told is not None else _UNTOLD + position
        index = self._by_identity.get((key, identity))
        if index is not None:
            return index
        return position if told is not None and not told.copies else _UNTOLD + position


def _is_about(event: str, kind: str) -> bool:
    """Whether the event's name says that it belongs to a hosted call of this type."""
    return kind.endswith("_call") and event.startswith(f"response.{kind}")


_UNTOLD = 1 << 32
_COPIES_LIMIT = 16
