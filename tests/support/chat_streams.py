"""Streams of chat completions, well-formed and broken, and ways to send them through the machine.

Every byte run that belongs to a call of choice N contains the mark `zqN`, and nothing else does.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from hypothesis import strategies as st

from gateway.model.tool_call import ToolCall
from gateway.model.verdict import Denial, Judge, Ruling, Withhold, allow_all
from gateway.wire.chat_stream import ChatReader
from gateway.wire.interdiction import HoldBudget, Interdiction
from gateway.wire.refusal_text import refusal_text
from gateway.wire.sse import FrameSplitter, parse

DONE = b"data: [DONE]\n\n"
RULE = "no-tools"


def frame(document: Any) -> bytes:
    """One event."""
    return b"data: " + orjson.dumps(document) + b"\n\n"


def chunk(delta: Any, index: int = 0, finish: str | None = None, **members: Any) -> bytes:
    """A chunk of one choice as OpenAI sends it; `members` are added at the top."""
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return frame(envelope(choice, **members))


def envelope(*choices: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "gpt-x",
        "system_fingerprint": "fp_1",
        "choices": list(choices),
        **members,
    }


def usage_chunk() -> bytes:
    return frame(envelope(usage={"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}))


def part(position: int = 0, *, arguments: str = "", name: str | None = None, id: str | None = None) -> dict[str, Any]:
    """A delta with a part of a function call; the first part has id and name."""
    function: dict[str, Any] = {"arguments": arguments}
    entry: dict[str, Any] = {"index": position, "function": function}
    if name is not None:
        function["name"] = name
    if id is not None:
        entry |= {"id": id, "type": "function"}
    return {"tool_calls": [entry]}


def call(index: int = 0, *, position: int = 0, name: str = "get_weather") -> list[bytes]:
    """The frames of a whole call."""
    return [
        chunk(part(position, name=name, id=f"call_zq{index}_{position}"), index),
        chunk(part(position, arguments=f'{{"city":"zq{index}'), index),
        chunk(part(position, arguments=' Paris"}'), index),
    ]


def deny(*turns: int) -> Judge:
    """Withholds these turns, every one if none is named."""

    def judge(calls: Sequence[ToolCall]) -> Ruling:
        if turns and calls[0].turn not in turns:
            return allow_all(calls)
        denied = tuple(Denial(call.name, RULE, "It is not allowed here.", "dec_1") for call in calls)
        return Withhold(refusal_text(denied), denied)

    return judge


class Run:
    """A stream sent through the machine: what left, chunk by chunk, and what was judged."""

    def __init__(self, judge: Judge, chunks: Iterable[bytes], *, strip: bool = False, **limits: int) -> None:
        self.reader = ChatReader()
        self.judged: list[list[ToolCall]] = []
        self.budget = HoldBudget()
        self.machine = Interdiction(self.reader, self._judging(judge), budget=self.budget, strip=strip, **limits)
        self.steps = [self.machine.feed(piece) for piece in chunks]
        self.steps.append(self.machine.close())
        self.out = b"".join(self.steps)
        self.failure = self.machine.failure

    def _judging(self, judge: Judge) -> Judge:
        def judging(calls: Sequence[ToolCall]) -> Ruling:
            self.judged.append(list(calls))
            return judge(calls)

        return judging

    @property
    def documents(self) -> list[dict[str, Any]]:
        return documents(self.out)

    def text(self, index: int = 0) -> str:
        """What the choice said to its reader."""
        return "".join(choice["delta"].get("content") or "" for choice in self.choices(index))

    def choices(self, index: int = 0) -> list[dict[str, Any]]:
        return [one for document in self.documents for one in document["choices"] if one["index"] == index]

    def finish(self, index: int = 0) -> str | None:
        reasons = [choice["finish_reason"] for choice in self.choices(index) if choice["finish_reason"]]
        return reasons[-1] if reasons else None


def documents(stream: bytes) -> list[dict[str, Any]]:
    """The JSON events of a stream, without its end."""
    data = [parse(raw)[1] for raw in FrameSplitter().feed(stream)]
    return [orjson.loads(one) for one in data if one and not one.startswith(b"[DONE]")]


def cut(stream: bytes, cuts: Sequence[int]) -> list[bytes]:
    """The stream in pieces, cut at these offsets modulo its length."""
    edges = [0, *sorted(one % (len(stream) + 1) for one in cuts), len(stream)]
    return [stream[start:end] for start, end in zip(edges, edges[1:], strict=False)]


@dataclass(frozen=True)
class Story:
    """A generated stream: its frames, the choice each one belongs to (None: all), and how many choices there are."""

    frames: tuple[bytes, ...]
    owners: tuple[int | None, ...]
    choices: int

    @property
    def stream(self) -> bytes:
        return b"".join(self.frames)


Beat = Callable[[int], bytes]
"""One frame of a choice, given the choice's index."""


def _text(words: str) -> Beat:
    return lambda index: chunk({"content": words}, index)


def _part(delta: Callable[[int], Any]) -> Beat:
    return lambda index: chunk(delta(index), index)


def _finish(reason: str) -> Beat:
    return lambda index: chunk({}, index, reason)


TEXT = st.sampled_from(["Hi", " there", "é", "\u2028", "tool_calls", '{"tool_calls":[]}', ""]).map(_text)
SILENT = st.sampled_from(
    [
        _part(lambda index: {"role": "assistant", "content": None}),
        _part(lambda index: {"role": "assistant", "content": "", "tool_calls": None, "function_call": None}),
        _part(lambda index: {"tool_calls": []}),
        _part(lambda index: {"reasoning_content": "hm"}),
        _part(lambda index: {}),
    ]
)


@st.composite
def good_calls(draw: st.DrawFn) -> list[Beat]:
    """Parallel calls of all kinds whose parts interleave."""
    calls = [draw(_good_call(position)) for position in range(draw(st.integers(1, 3)))]
    return draw(_interleaved(calls))


@st.composite
def _good_call(draw: st.DrawFn, position: int) -> list[Beat]:
    kind = draw(st.sampled_from(["function", "custom", "empty", "whole", "repeated"]))
    identity = f"call_{position}"
    if kind == "custom":
        body = {"index": position, "id": identity + "_zq", "type": "custom", "custom": {"name": "run", "input": ""}}
        return [
            _part(lambda index: {"tool_calls": [body | {"id": f"{identity}_zq{index}"}]}),
            _part(lambda index: {"tool_calls": [{"index": position, "custom": {"input": f"zq{index} {{"}}]}),
        ]
    head = _part(lambda index: part(position, name="get", id=f"{identity}_zq{index}"))
    if kind == "empty":
        return [head]
    if kind == "whole":
        return [
            _part(
                lambda index: part(position, name="get", id=f"{identity}_zq{index}", arguments=f'{{"a":"zq{index}"}}')
            )
        ]
    again = f"{identity}_zq" if kind == "repeated" else None
    return [
        head,
        _part(lambda index: part(position, id=again and f"{again}{index}", arguments=f'{{"a":"zq{index}')),
        _part(lambda index: part(position, arguments='\\u0061"}')),
    ]


BROKEN: list[Beat] = [
    _part(lambda index: part(0, arguments=f'{{"zq{index}')),  # no id, no name, never closed
    _part(lambda index: part(0, name="get", id=f"call_zq{index}_again", arguments=f'["zq{index}"]')),
    _part(lambda index: part(0, name="_more")),  # a name in pieces
    _part(lambda index: {"tool_calls": [{"id": f"call_zq{index}_n", "function": {"name": "get", "arguments": "{}"}}]}),
    _part(lambda index: {"tool_calls": [{"function": {"arguments": f'"zq{index}"'}}]}),
    _part(lambda index: {"tool_calls": {"zq": f"zq{index}"}}),
    _part(lambda index: {"tool_calls": [f"zq{index}", {"index": "0", "id": f"zq{index}"}]}),
    _part(lambda index: {"tool_calls": [{"index": 0, "function": {"arguments": {"a": f"zq{index}"}}}]}),
    _part(lambda index: {"tool_calls": [{"index": 1, "type": "new_kind", "new_kind": {"x": f"zq{index}"}}]}),
    _part(lambda index: {"function_call": {"name": "get"}}),
    _part(lambda index: {"function_call": {"arguments": f'{{"a":"zq{index}"}}'}}),
    _part(lambda index: {"content": "Also", "tool_calls": [{"index": 0, "function": {"arguments": f"zq{index}"}}]}),
    lambda index: frame(envelope({"index": index, "message": {"tool_calls": [{"id": f"zq{index}"}]}})),
    lambda index: chunk(part(0, arguments=f"zq{index}"), index, "tool_calls"),
    lambda index: frame(
        envelope({"index": index, "delta": part(0, arguments=f"zq{index}"), "logprobs": {"content": [f"zq{index}"]}})
    ),
]


@st.composite
def _interleaved(draw: st.DrawFn, threads: Sequence[Sequence[Any]]) -> list[Any]:
    """All items, each thread in its own order."""
    left = [list(thread) for thread in threads if thread]
    merged = []
    while left:
        thread = left[draw(st.integers(0, len(left) - 1))]
        merged.append(thread.pop(0))
        left = [thread for thread in left if thread]
    return merged


@st.composite
def stories(draw: st.DrawFn, *, broken: bool, choices: int = 3) -> Story:
    """A whole stream of up to `choices` choices, properly ended unless `broken`."""
    threads = []
    count = draw(st.integers(1, choices))
    for index in range(count):
        beats: list[Beat] = draw(st.lists(TEXT | SILENT, max_size=3))
        if draw(st.booleans()):
            beats += draw(good_calls())
        if broken:
            beats += draw(st.lists(st.sampled_from(BROKEN) | TEXT, max_size=4))
        beats.append(_finish(draw(st.sampled_from(["stop", "tool_calls", "length"]))))
        if broken:
            beats += draw(st.lists(st.sampled_from(BROKEN) | TEXT | st.just(_finish("tool_calls")), max_size=3))
        threads.append([(index, beat(index)) for beat in beats])
    merged = draw(_interleaved(threads))
    ends: list[tuple[int | None, bytes]] = [(None, usage_chunk())] if draw(st.booleans()) else []
    if not broken or draw(st.integers(0, 4)):
        ends.append((None, DONE))
    items = [*merged, *ends]
    return Story(tuple(raw for _, raw in items), tuple(owner for owner, _ in items), count)
