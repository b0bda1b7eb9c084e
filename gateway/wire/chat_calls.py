"""Puts the tool calls of chat completions together, from a message or from the fragments of a stream.

https://platform.openai.com/docs/api-reference/chat-streaming. Where clients could put fragments together in more than
one way, the call gets a `problem`: what was judged must be what is executed.
"""

from typing import Any

from gateway.model.tool_call import ToolCall
from gateway.wire.dialect import CALLS_LIMIT, UnreadableFrame
from gateway.wire.strict_json import dumps, read_arguments

# The member that holds a call of this type, and in it the member that holds what the model wrote.
_WRITTEN = {"function": "arguments", "custom": "input"}


class _Draft:
    """One call while its parts come in."""

    def __init__(self, problem: str | None = None) -> None:
        self.id: str | None = None
        self.problem = problem
        self._type: str | None = None
        self._shape: str | None = None  # the key of _WRITTEN that it uses
        self._name = ""
        self._written: list[str] = []
        self._unknown: list[dict[str, Any]] = []

    @property
    def is_empty(self) -> bool:
        return not self._written

    def add(self, entry: dict[str, Any]) -> int:
        """One entry of `tool_calls`; the number of characters the model wrote in it."""
        known = self._text(entry, "id", "its id is not a string")
        repeated = known is not None and known == self.id
        self.id = self.id or known
        self._set_type(self._text(entry, "type", "its type is not a string"))
        shapes = [shape for shape in _WRITTEN if entry.get(shape) is not None]
        written = sum(self.add_body(shape, entry[shape], repeated=repeated) for shape in shapes)
        if not shapes and self._type not in (None, *_WRITTEN):
            self._unknown.append(entry)
        return written

    def add_body(self, shape: str, body: object, *, repeated: bool = False) -> int:
        """The name and a piece of what the model wrote. `repeated`: the entry names this call's id again."""
        if self._shape not in (None, shape):
            self.problem = "it is of two types at once"
        self._shape = shape
        if not isinstance(body, dict):
            self.problem = f"its {shape} is not an object"
            return 0
        self._add_name(self._text(body, "name", "its name is not a string"), repeated)
        piece = self._text(body, _WRITTEN[shape], f"its member {_WRITTEN[shape]} is not text")
        if piece is None:
            return 0
        self._written.append(piece)
        return len(piece)

    def build(self, turn: int) -> ToolCall:
        kind = self._type or self._shape or "function"
        written = "".join(self._written)
        if self._unknown:
            return self._build_unknown(turn, kind)
        problem = self.problem
        parsed: Any = written
        if self._shape != "custom":
            parsed, unreadable = read_arguments(written)
            problem = problem or unreadable
        if self._type in _WRITTEN and self._shape not in (None, self._type):
            problem = problem or "its type is not the one of its members"
        if not self._name:
            problem = problem or "it has no name"
        return ToolCall(self._name, kind, written, parsed, problem, self.id, turn)

    def _build_unknown(self, turn: int, kind: str) -> ToolCall:
        problem = self.problem
        if len(self._unknown) > 1 or self._shape is not None:
            problem = problem or "its type is not known and it came in parts"
        item = self._unknown[0]
        return ToolCall(kind, kind, dumps(item).decode(), item, problem, self.id, turn)

    def _set_type(self, value: str | None) -> None:
        if self._type not in (None, value) and value is not None:
            self.problem = "its type changes"
        self._type = self._type or value

    def _add_name(self, name: str | None, repeated: bool) -> None:
        if name is None or (repeated and name == self._name):
            return
        # Some clients append a second name, others ignore it. Only a fragment that comes before any argument, without
        # the id, and is no repetition, is a part of the name for all of them.
        if self._name and (repeated or self._written or name == self._name):
            self.problem = "its name changes"
        self._name += name

    def _text(self, members: dict[str, Any], key: str, problem: str) -> str | None:
        """A non-empty string or None; anything else is a problem."""
        value = members.get(key)
        if value is None or isinstance(value, str):
            return value or None
        self.problem = problem
        return None


class CallsInParts:
    """The calls of one choice of a stream."""

    def __init__(self) -> None:
        self._drafts: list[_Draft] = []
        self._by_index: dict[int, _Draft] = {}
        self._legacy: _Draft | None = None

    def add(self, message: dict[str, Any]) -> int:
        """The `tool_calls` and `function_call` of a delta; the number of characters the model wrote in them."""
        written = 0
        entries = message.get("tool_calls")
        if isinstance(entries, list):
            written = sum(self._add_entry(entry) for entry in entries)
        elif entries is not None:
            self._new("its parts are not a list")
        if (legacy := message.get("function_call")) is not None:
            self._legacy = self._legacy or self._new()
            written += self._legacy.add_body("function", legacy)
        return written

    def build(self, turn: int) -> list[ToolCall]:
        return [draft.build(turn) for draft in self._drafts]

    def _add_entry(self, entry: object) -> int:
        if isinstance(entry, dict):
            return self._find(entry).add(entry)
        self._new("a part of it is not an object")
        return 0

    def _new(self, problem: str | None = None) -> _Draft:
        if len(self._drafts) >= CALLS_LIMIT:
            raise UnreadableFrame("its turn has too many calls")
        draft = _Draft(problem)
        self._drafts.append(draft)
        return draft

    def _find(self, entry: dict[str, Any]) -> _Draft:
        index, identity = entry.get("index"), entry.get("id")
        if index is None:
            return self._find_without_index(identity)
        if type(index) is not int or index < 0:
            return self._new("its index is not a number")
        draft = self._by_index.get(index)
        if draft is not None and identity and draft.id and identity != draft.id:
            # Another call under the same index. Clients that go by the index alone would join the two; that is never
            # a JSON object, unless the first has no text at all.
            if draft.is_empty:
                draft.problem = "another call has its index"
            draft = None
        if draft is None:
            draft = self._by_index[index] = self._new()
        return draft

    def _find_without_index(self, identity: object) -> _Draft:
        if identity:
            return next((draft for draft in self._drafts if draft.id == identity), None) or self._new()
        if not self._drafts:
            return self._new()
        if len(self._drafts) > 1:
            self._drafts[-1].problem = "a part of it names no index"
        return self._drafts[-1]


def whole_calls(message: dict[str, Any], turn: int) -> list[ToolCall]:
    """The calls of a complete message."""
    drafts: list[_Draft] = []
    entries = message.get("tool_calls")
    if entries is not None and not isinstance(entries, list):
        drafts.append(_Draft("its tool_calls are not a list"))
        entries = None
    for entry in entries or ():
        draft = _Draft(None if isinstance(entry, dict) else "it is not an object")
        if isinstance(entry, dict):
            draft.add(entry)
        drafts.append(draft)
    if (legacy := message.get("function_call")) is not None:
        draft = _Draft()
        draft.add_body("function", legacy)
        drafts.append(draft)
    return [draft.build(turn) for draft in drafts]
