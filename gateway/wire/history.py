"""Reads the history of a conversation out of a request: one pass, tolerant, bounded in what it keeps.

Dialects tell `Telling` what stands where, in order. Members whose type is wrong are skipped; `read_request` has refused
those on which a decision depends.
"""

import json
from typing import Any

import orjson

from gateway.model.history import History
from gateway.wire.failed_result import says_it_failed

_OPENING_LIMIT = 8192
_SYSTEM_LIMIT = 64 * 1024
_CALLS_LIMIT = 500
"""A call is compared with so many earlier ones."""
_COMPARISONS = 2_000
"""Each with each, which is fast for the few calls that most turns have. Callers make calls as many, as large, and as
much alike, as they like."""


class Telling:
    """Builds a `History` from what is told, in the order of the conversation."""

    __slots__ = ("_calls", "_model_speaks", "_opened", "_past", "_results", "history")

    def __init__(self) -> None:
        self.history = History()
        self._opened = False
        self._model_speaks = False
        self._past: list[tuple[object, object]] = []
        self._calls: list[tuple[object, object]] = []
        self._results: list[tuple[object, bool]] = []

    def system(self, content: object) -> None:
        """Instructions; later ones, in the middle of a conversation, say what has changed and do not count."""
        self._model_speaks = False
        if not self._opened and self.history.turn == 1:
            self.history.system += texts(content)

    def user(self, content: object) -> None:
        self._model_speaks = False
        if not self._opened:
            self._opened = True
            said = "\n".join(texts(content))
            self.history.opening = said if len(said) <= _OPENING_LIMIT else f"{said[:_OPENING_LIMIT]}{len(said)}"

    def model(self) -> None:
        """The model speaks; what it says without a break is one turn."""
        if not self._model_speaks:
            self._model_speaks = True
            self.history.turn += 1
            if self._calls:
                self._past += self._calls
                self._calls = []
            if self._results:
                self._results = []

    def call(self, name: object, arguments: object) -> None:
        """A call in the model's turn. Arguments are compared as they are: text, or members in any order."""
        self._calls.append((name, arguments))

    def result(self, content: object, failed: bool = False) -> None:
        self._model_speaks = False
        self._results.append((content, failed))

    def told(self) -> History:
        """The whole, once everything is told."""
        history = self.history
        if self._results:
            history.results = len(self._results)
            history.tool_errors = sum(failed or says_it_failed(content) for content, failed in self._results)
        if self._calls:
            history.calls, history.fresh = len(self._past) + len(self._calls), self._calls
            history.repeated_calls = _repeated(self._past[-_CALLS_LIMIT:], self._calls[:_CALLS_LIMIT])
        return history


def _repeated(earlier: list[tuple[object, object]], latest: list[tuple[object, object]]) -> int:
    """How many of the latest calls were made before."""
    count = 0
    if len(latest) * (len(earlier) + len(latest)) <= _COMPARISONS:
        for call in latest:
            count += call in earlier
            earlier.append(call)
        return count
    seen = set(map(_written, earlier))
    for written in map(_written, latest):
        count += written in seen
        seen.add(written)
    return count


def _written(call: tuple[object, object]) -> bytes:
    try:
        return orjson.dumps(call, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # lone surrogates, huge numbers
        return json.dumps(call, sort_keys=True).encode()


def texts(content: object) -> list[str]:
    """The texts of a message's content: a string, or blocks that have `text`."""
    if type(content) is str:
        return [content[:_SYSTEM_LIMIT]]
    if type(content) is not list:
        return []
    return [b["text"][:_SYSTEM_LIMIT] for b in content if type(b) is dict and type(b.get("text")) is str]


def members(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects in a list of the document; nothing for anything else."""
    found = document.get(name)
    return [one for one in found if type(one) is dict] if type(found) is list else []
