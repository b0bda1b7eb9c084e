"""Puts together the transcript of a conversation: who said what, which calls were made, what they gave.

Tolerant: what has another shape than its dialect knows is skipped, or, where it could be text that somebody has read
somewhere, taken for the result of a tool that nobody knows. Bounded by what `strict_json` lets a body hold; texts are
those of the document, not copies.
"""

import re
from typing import Any

import orjson

from gateway.model.transcript import MadeCall, Said, Transcript
from gateway.wire.strict_json import read_arguments

_THREAD = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TEXTS = frozenset({"text", "input_text", "output_text", None})
_NO_TEXT = frozenset({"image", "image_url", "input_image", "input_audio", "audio", "thinking", "redacted_thinking"})
_END = 120
"""Characters: more than what all pictures of one format end with."""


class Recorder:
    """Takes down what is told, in the order of the conversation."""

    __slots__ = ("_calls", "_names", "_said", "thread")

    def __init__(self) -> None:
        self._said: list[Said] = []
        self._calls: list[MadeCall] = []
        self._names: dict[str, str] = {}
        self.thread: str | None = None

    def user(self, content: object) -> None:
        """What people and the agent's makers say. Files and search results that they attach are read, not said."""
        if type(content) is str:
            self._said.append(Said("user", content))
        elif type(content) is list:
            for part in content:
                if type(part) is str:
                    self._said.append(Said("user", part))
                elif type(part) is dict:
                    self._part(part)

    def model(self, content: object) -> None:
        self._said += (Said("model", text) for text in _texts(content))

    def call(self, name: object, arguments: object, call_id: object = None, *, text: bool = False) -> None:
        """A call the model made; `arguments` that are no free `text` are read."""
        if type(name) is not str:
            return
        if type(arguments) is str and not text:
            parsed, _ = read_arguments(arguments)
            arguments = arguments if parsed is None else parsed
        known = call_id if type(call_id) is str else None
        self._calls.append(MadeCall(name, arguments, known, len(self._said)))
        if known is not None:
            self._names[known] = name

    def result(self, content: object, call_id: object = None, tool: object = None) -> None:
        """A result. The tool is the one of the latest call with this id; `tool` is its name where no call is known."""
        known = call_id if type(call_id) is str else None
        name = self._names.get(known) if known is not None else None
        if name is None and type(tool) is str and tool:
            name = tool
        texts = _texts(content)
        text = texts[0] if len(texts) == 1 else "\n".join(texts)
        self._said.append(Said("tool", text, name, known, _unread(content)))

    def done(self) -> Transcript:
        return Transcript(tuple(self._said), tuple(self._calls), self.thread)

    def _part(self, part: dict[str, Any]) -> None:
        kind, text = part.get("type"), part.get("text")
        if type(text) is str and kind in _TEXTS:
            self._said.append(Said("user", text))
        elif kind not in _NO_TEXT:
            self.result(part, tool=kind)


def thread(name: object) -> str | None:
    """The name of a thread as clients make them up: one that no two conversations share by accident."""
    return name if type(name) is str and _THREAD.fullmatch(name) else None


def _texts(content: object) -> list[str]:
    if type(content) is str:
        return [content]
    if type(content) is not list:
        return [] if content is None else [_written(content)]
    found = []
    for part in content:
        if type(part) is str:
            found.append(part)
        elif type(part) is not dict:
            found.append(_written(part))
        elif type(part.get("text")) is str and part.get("type") in _TEXTS:
            found.append(part["text"])
        elif part.get("type") not in _NO_TEXT:
            found.append(_written(part))
    return found


def _unread(content: object) -> str:
    """Something that differs where pictures or sounds do, of a bounded size."""
    if type(content) is not list:
        return ""
    return "".join(_ends(part) for part in content if type(part) is dict and part.get("type") in _NO_TEXT)


def _ends(value: object, depth: int = 0) -> str:
    if type(value) is str:
        return f"{len(value)} {value[-_END:]}\n"
    if type(value) is not dict or depth > 2:
        return ""
    return "".join(_ends(member, depth + 1) for member in value.values())


def _written(value: object) -> str:
    return orjson.dumps(value).decode()
