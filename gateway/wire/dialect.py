"""The protocol every dialect speaks: read, rather than translate.

A dialect is one API's shapes: how a request is read, how an answer is read, whole or as a stream, and how a refusal
looks there. It decides nothing; it never changes bytes unless it is told to withhold a turn or to refuse.
"""

import enum
from collections.abc import Sequence
from typing import Any, Protocol

from gateway.model.answer import Answer
from gateway.model.ask import Ask
from gateway.model.errors import Refusal
from gateway.model.history import History
from gateway.model.tool_call import ToolCall
from gateway.model.transcript import Transcript
from gateway.model.verdict import Withhold


class Signal(enum.Enum):
    """What a frame of a stream means to `interdiction`; a frame with none of these is plain and may pass."""

    CALL = "carries a part of a tool call that the client would execute"
    TURN_END = "ends its turn: the turn's calls are complete"
    STREAM_END = "ends the stream, and with it every turn"
    ERROR = "the provider's own in-band error: held calls will never be complete"


Signals = Sequence[tuple[int, Signal]]
"""(turn, signal) pairs of one frame, in order. STREAM_END and ERROR concern every turn; their number is ignored."""

PLAIN: Signals = ()
# Of frames that mean one thing, in dialects of one turn, or for every turn.
CALL: Signals = ((0, Signal.CALL),)
TURN_END: Signals = ((0, Signal.TURN_END),)
STREAM_END: Signals = ((0, Signal.STREAM_END),)
ERROR: Signals = ((0, Signal.ERROR),)


CALLS_LIMIT = 512
"""Calls in one turn of a stream; they are put together anew each time the turn ends."""


class UnreadableFrame(Exception):
    """A frame or a whole answer that could carry a call and cannot be read. Nothing after it may pass unjudged."""


class StreamReader(Protocol):
    """Reads one stream of one dialect. Holds what it has seen; one instance per answer."""

    answer: Answer

    def read(self, data: bytes, event: bytes) -> Signals:
        """Read one event (`data` lines joined, `event` name or empty). Raises UnreadableFrame."""

    def calls(self, turn: int) -> Sequence[ToolCall]:
        """The calls assembled for this turn so far; one whose parts do not add up has a `problem`."""

    def strip(self, frame: bytes) -> bytes:
        """The frame just read, without what `include_usage` injection added; empty if nothing else was in it."""

    def withhold(self, turn: int, frames: Sequence[bytes], ruling: Withhold) -> bytes:
        """What leaves instead of `frames`, the raw frames held since the turn's first call part.

        No byte of a call of this turn is in it, what other turns and plain frames said is; the ruling's text is said,
        and the turn ends as an ordinary one.
        """

    def error_frame(self, refusal: Refusal) -> bytes:
        """The dialect's own in-band error event for this stream, complete with its blank line."""


class Dialect(Protocol):
    """One API, read and judged."""

    name: str
    streams: bool
    """Whether `stream: true` exists here."""
    injects_usage: bool
    """Whether `stream_options.include_usage` exists here."""

    def read_request(self, document: dict[str, Any]) -> Ask:
        """Raises UnreadableRequest, naming the member at fault, where a governed member has the wrong type."""

    def history(self, document: dict[str, Any]) -> History:
        """What a request that `read_request` took says of its conversation. Tolerant; texts stay as sent."""

    def transcript(self, document: dict[str, Any]) -> Transcript:
        """The whole conversation, as far as the request tells it; empty where there is none. Tolerant.

        Only for rules that ask for it: takes time and memory in proportion to the conversation.
        """

    def read_answer(self, document: dict[str, Any], body: bytes | None = None) -> Answer:
        """Tolerant: a member of an unexpected type is skipped, except a call, which then has a `problem`.

        Args:
            body: what `document` was read from: calls are not looked for where its bytes can name none.

        Raises UnreadableFrame for a call in a place where it cannot be judged.
        """

    def withhold(self, document: dict[str, Any], rulings: dict[int, Withhold]) -> dict[str, Any]:
        """A copy of the whole answer; these turns say the refusal and end as ordinary ones, others are untouched."""

    def reader(self) -> StreamReader:
        """A new reader, for one stream. Never called if `streams` is False."""

    def error_body(self, refusal: Refusal) -> bytes:
        """The JSON body of a refusal before anything was sent."""
