"""Streams of the stub models, read without any SDK."""

import itertools
from collections.abc import Iterable
from typing import Any

import orjson

from gateway.demo.stub_frames import Frame, Mint
from gateway.demo.stub_question import StubQuestion, read_question
from gateway.demo.stub_turns import Call, Turn

TURN = Turn("Let me look.", (Call("get_weather", '{"city":"Bern"}'), Call("run", "ls -l", "custom")))
"""Text and two parallel calls, of which the second is to a custom tool."""


def mint() -> Mint:
    numbers = itertools.count(1)
    return Mint(lambda: str(next(numbers)), 1_800_000_000)


def question(**document: Any) -> StubQuestion:
    return read_question(document, "stub-script")


def events(frames: Iterable[Frame]) -> list[tuple[str, Any]]:
    """(event name, data) of each frame; `[DONE]` as text."""
    read = []
    for data, _ in frames:
        *name, line = data.decode().removesuffix("\n\n").split("\n")
        value = line.removeprefix("data: ")
        read.append(
            (name[0].removeprefix("event: ") if name else "", value if value == "[DONE]" else orjson.loads(value))
        )
    return read
