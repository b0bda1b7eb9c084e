"""What every rendering of a stub answer shares: ids, event frames, and how text falls into pieces."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

Frame = tuple[bytes, bool]
"""A complete event, and whether it carries a piece of the answer: those are what a slow model is slow at."""


@dataclass(frozen=True, slots=True)
class Mint:
    """Where an answer's ids and its time of creation (seconds since the epoch) come from."""

    new_id: Callable[[], str]
    created: int

    def id(self, prefix: str) -> str:
        return f"{prefix}{self.new_id()}"

    def counted_id(self, prefix: str, results: int) -> str:
        """An id that tells us how many results there were, when a later request refers to it and brings no history."""
        return f"{prefix}{self.new_id()}_{results}"


def frame(data: Any, *, event: str = "", piece: bool = False) -> Frame:
    """A server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html) with JSON data."""
    name = f"event: {event}\n".encode() if event else b""
    return name + b"data: " + orjson.dumps(data) + b"\n\n", piece


DONE: Frame = (b"data: [DONE]\n\n", False)

_MOST_PIECES = 200


def words(text: str) -> list[str]:
    """Text as a model streams it: word by word, in at most 200 pieces that join to the text."""
    return _grouped(re.findall(r"\s*\S+|\s+", text))


def fragments(arguments: str) -> Iterator[str]:
    """Arguments as a model streams them: cut without regard to JSON, at most 200 pieces that join to the text."""
    return iter(_grouped([arguments[at : at + 8] for at in range(0, len(arguments), 8)]))


def _grouped(pieces: list[str]) -> list[str]:
    size = -(-len(pieces) // _MOST_PIECES) or 1
    return ["".join(pieces[at : at + size]) for at in range(0, len(pieces), size)]
