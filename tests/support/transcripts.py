"""Recorded-like streams of providers, and ways to send them through the machine. Files are read as bytes.

In every transcript, each byte run that belongs to a call of the client contains `zq`, and nothing else does.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson

from gateway.model.answer import Answer
from gateway.model.errors import Refusal
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import Denial, Judge, Ruling, Withhold
from gateway.wire.dialect import Dialect
from gateway.wire.interdiction import HoldBudget, Interdiction
from gateway.wire.messages import MESSAGES
from gateway.wire.responses import RESPONSES
from gateway.wire.sse import FrameSplitter, parse

DIRECTORY = Path(__file__).parent.parent / "transcripts"
MARK = b"zq"
DIALECTS: dict[str, Dialect] = {"responses": RESPONSES, "messages": MESSAGES}


def names(dialect: str) -> list[str]:
    """The transcripts of one dialect."""
    return sorted(path.stem for path in DIRECTORY.glob(f"{dialect}-*.sse"))


def load(name: str) -> bytes:
    return (DIRECTORY / f"{name}.sse").read_bytes()


def dialect_of(name: str) -> Dialect:
    return DIALECTS[name.partition("-")[0]]


class Run:
    """One stream sent through the machine: what left, and what the machine and the reader made of it."""

    def __init__(self, dialect: Dialect, judge: Judge, chunks: Iterable[bytes]) -> None:
        self.reader = dialect.reader()
        self.judged: list[Sequence[ToolCall]] = []
        self.machine = Interdiction(self.reader, lambda calls: self._judge(judge, calls), budget=HoldBudget())
        out = [self.machine.feed(chunk) for chunk in chunks]
        out.append(self.machine.close())
        if self.machine.failure is not None:
            out.append(self.reader.error_frame(self.machine.failure))
        self.out = b"".join(out)

    def _judge(self, judge: Judge, calls: Sequence[ToolCall]) -> Ruling:
        self.judged.append(calls)
        return judge(calls)

    @property
    def answer(self) -> Answer:
        return self.reader.answer

    @property
    def failure(self) -> Refusal | None:
        return self.machine.failure


def deny_all(calls: Sequence[ToolCall]) -> Ruling:
    """Withholds every turn."""
    denied = tuple(Denial(call.name, "no-tools", "not today", "dec_1") for call in calls)
    return Withhold("The call was refused by rule no-tools: not today", denied)


def events(stream: bytes) -> list[dict[str, object]]:
    """The JSON of every event."""
    return [orjson.loads(parse(frame)[1]) for frame in FrameSplitter().feed(stream)]


def stream(*documents: dict[str, object]) -> bytes:
    """These events on the wire."""
    return b"".join(b"event: %b\ndata: %b\n\n" % (str(d["type"]).encode(), orjson.dumps(d)) for d in documents)
