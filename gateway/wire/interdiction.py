"""No tool call leaves unjudged: a machine between a provider's event stream and its client, bytes in, bytes out.

It knows no dialect. A `StreamReader` says what a frame means, a `Judge` decides, and this machine decides when bytes
leave. It never reorders frames: what leaves is what came in, in that order, less what was refused. It never blocks.
"""

import enum
from collections.abc import Iterable, Sequence

from gateway.model.errors import Refusal
from gateway.model.verdict import Denial, Judge, Release, Ruling, Wait, Withhold
from gateway.wire.dialect import PLAIN, Signal, Signals, StreamReader, UnreadableFrame
from gateway.wire.refusal_text import unreadable
from gateway.wire.sse import FRAME_LIMIT, FrameSplitter, FrameTooLong, has_id, has_stray_data, parse

TURN_LIMIT = 4 * 1024 * 1024
"""Bytes held back for each turn that waits for its end."""


TURNS_LIMIT = 128
"""Turns with calls in one stream, and half of the times that calls may be judged. No provider answers more often."""
REWRITE_LIMIT = 64 * 1024 * 1024
"""Bytes held back, times the turns to be taken out of them."""
_TOO_LONG = "The provider's tool calls are too long to be judged."
_TOO_MANY = "The provider's stream has too many turns with tool calls."
_TWO_LINES = len(b"event: \ndata: \n\n")
"""Bytes of a frame in its usual form that are neither name nor data; less than this more is no call."""


class State(enum.Enum):
    """Where one turn (a choice) of an answer stands."""

    PASSING = enum.auto()
    HOLDING = enum.auto()
    JUDGING = enum.auto()
    REFUSED = enum.auto()


class Outcome(enum.Enum):
    """What became of a turn's calls."""

    RELEASED = enum.auto()
    WITHHELD = enum.auto()


# The rules, in prose:
#
# PASSING  Text leaves at once. The first part of a call makes the turn HOLDING: from then on every frame of the stream
#          queues, also those of other turns, so that their order is kept. A turn that ends without a call just ends. A
#          turn that has ended and speaks again is PASSING still: calls after its end are held, and judged when it ends
#          once more or the stream does.
# HOLDING  More parts queue. When the turn ends, its calls are complete, and it is JUDGING. The end of the stream ends
#          every turn. If the provider reports an error instead, the calls will never be complete: the held frames are
#          dropped and the turn is REFUSED, so that no later part of them leaves without the dropped ones.
# JUDGING  Nothing of the turn leaves until there is a ruling. Released calls leave as they came, up to the next frame
#          that carries a part of a call of a turn without a ruling. Withheld ones are rewritten by the reader, once no
#          other turn's unjudged parts are among their frames.
# REFUSED  For good: further parts of calls are dropped, text and ends pass.
#
# A stream that stops while a turn is HOLDING, or before it said that it is complete, has failed; so has one with a
# frame that cannot be read, or with more held than allowed. After a failure nothing leaves.
TRANSITIONS: dict[State, dict[Signal | Outcome, State]] = {
    State.PASSING: {Signal.CALL: State.HOLDING, Signal.TURN_END: State.PASSING, Signal.ERROR: State.PASSING},
    State.HOLDING: {Signal.CALL: State.HOLDING, Signal.TURN_END: State.JUDGING, Signal.ERROR: State.REFUSED},
    State.JUDGING: {Outcome.RELEASED: State.PASSING, Outcome.WITHHELD: State.REFUSED},
    State.REFUSED: {Signal.CALL: State.REFUSED, Signal.TURN_END: State.REFUSED, Signal.ERROR: State.REFUSED},
}


class HoldBudget:
    """Bytes that a process may hold for one purpose, such as held frames or request bodies. For one thread."""

    def __init__(self, limit: int = 256 * 1024 * 1024) -> None:
        self._limit = limit
        self.used = 0

    def take(self, size: int) -> bool:
        """Whether `size` bytes more may be held; if so they are counted."""
        if self.used + size > self._limit:
            return False
        self.used += size
        return True

    def give(self, size: int) -> None:
        """Return what was taken."""
        self.used -= size


class Interdiction:
    """One answer stream.

    Args:
        reader: reads this stream's dialect.
        judge: rules over the calls of one turn; what it raises, other than a Refusal, passes through `feed`.
        budget: shared by the process; given back by `close`, a failure or `discard`.
        turn_limit: bytes held for each turn that waits.
        strip: take out what the gateway's own `include_usage` made the provider add.

    Attributes:
        failure: set when the stream must end with an in-band error; nothing leaves after that.
        ended: the provider has ended the stream properly, or by its own error.
        held_bytes: bytes held back now.
        denied: every refused call, in order.
        rulings: (turn, ruling) in the order they were made.
    """

    def __init__(
        self,
        reader: StreamReader,
        judge: Judge,
        *,
        budget: HoldBudget,
        turn_limit: int = TURN_LIMIT,
        frame_limit: int = FRAME_LIMIT,
        strip: bool = False,
    ) -> None:
        self._reader = reader
        self._judge = judge
        self._budget = budget
        self._turn_limit = turn_limit
        self._strip = strip
        self._splitter = FrameSplitter(frame_limit)
        self._states: dict[int, State] = {}
        self._queue: list[tuple[bytes, frozenset[int]]] = []  # frames, each with the turns of whose calls it has parts
        self._refusals: dict[int, Withhold] = {}  # of turns that are REFUSED by a ruling
        self._withheld: dict[int, Withhold] = {}  # those of them whose frames still wait in the queue
        self._out: list[bytes] = []
        self._id_seen = False
        self.failure: Refusal | None = None
        self.ended = False
        self.held_bytes = 0
        self.denied: list[Denial] = []
        self.rulings: list[tuple[int, Ruling]] = []

    @property
    def between_frames(self) -> bool:
        """Whether a keep-alive comment may be written now.

        Only complete frames leave `feed`, so what was written last ends with a blank line. But a client that has seen
        an `id` takes a comment's blank line for an empty event.
        """
        return not (self._id_seen or self.ended or self.failure)

    def feed(self, chunk: bytes) -> bytes:
        """What may leave now. The very same object if all of it may."""
        if self.failure is not None:
            return b""
        splitter = self._splitter
        whole = not splitter.pending
        try:
            frames = splitter.feed(chunk)
        except FrameTooLong as error:
            return self._pass(error.frames) + self._fail("upstream_invalid", "An event of the provider is too long.")
        if whole and not splitter.pending and not self._queue and not self._strip:
            return self._pass_whole(chunk, frames)
        return self._pass(frames)

    def close(self) -> bytes:
        """The provider's body is over: what may leave of the rest. Sets `failure` if it was not complete."""
        if self.failure is not None:
            return b""
        left = self._close()
        self.discard()
        return left

    def discard(self) -> None:
        """Drop what is held: nobody waits for it any more. Idempotent."""
        self._budget.give(self.held_bytes)
        self.held_bytes = 0
        self._queue.clear()
        self._withheld.clear()

    def _pass_whole(self, chunk: bytes, frames: list[bytes]) -> bytes:
        for index, frame in enumerate(frames):
            try:
                signals = self._read(frame)
            except UnreadableFrame as error:
                return b"".join(frames[:index]) + self._unreadable(error)
            if signals:
                self._out += frames[:index]
                self._take(frame, signals)
                return self._pass(frames[index + 1 :])
        return chunk

    def _pass(self, frames: Iterable[bytes]) -> bytes:
        for frame in frames:
            if self.failure is not None:
                break
            try:
                signals = self._read(frame)
            except UnreadableFrame as error:
                self._unreadable(error)
                break
            if self._strip:
                frame = self._reader.strip(frame)
            if signals or self._queue:
                self._take(frame, signals)
            else:
                self._out.append(frame)
        out = b"".join(self._out)
        self._out.clear()
        return out

    def _read(self, frame: bytes) -> Signals:
        event, data, has_data = parse(frame)
        # Of a frame that is one line of data, 8 bytes are not data; further lines add to them.
        if len(data) + 8 != len(frame) and has_id(frame):
            self._id_seen = True
        if (len(frame) - len(data) - len(event) > _TWO_LINES or b"{" in event) and has_stray_data(frame):
            raise UnreadableFrame("it has lines that only some clients read")
        return self._reader.read(data, event) if has_data else PLAIN

    def _take(self, frame: bytes, signals: Signals) -> None:
        """Queue this frame or let it leave, then act on what it means."""
        kinds = {signal for _, signal in signals}
        if Signal.CALL in kinds:
            if not self._take_call(frame, signals):
                return
        elif Signal.ERROR in kinds:
            self.discard()
            self._step(list(self._states), Signal.ERROR)
            self.ended = True
            self._out.append(frame)
            return
        elif self._queue:
            self._hold(frame, frozenset())
        else:
            self._out.append(frame)
        for turn, signal in signals:
            if signal is Signal.TURN_END:
                self._end([turn])
            elif signal is Signal.STREAM_END:
                self.ended = True
                self._end([one for one, state in self._states.items() if state is State.HOLDING])
        if self._withheld or self._queue:
            self._flush()

    def _take_call(self, frame: bytes, signals: Signals) -> bool:
        turns = frozenset(turn for turn, signal in signals if signal is Signal.CALL)
        refused = {turn for turn in turns if self._states.get(turn) is State.REFUSED}
        if refused:
            if not refused <= self._refusals.keys():
                return False  # it comes after the provider's error
            # It may say more than parts of the refused calls: the reader takes those out.
            self._withheld.update({turn: self._refusals[turn] for turn in refused})
        if len(turns) > TURNS_LIMIT or len(self._states.keys() | turns) > TURNS_LIMIT:
            self._fail("upstream_invalid", _TOO_MANY)
            return False
        self._step(turns, Signal.CALL)
        self._hold(frame, turns)
        return True

    def _hold(self, frame: bytes, turns: frozenset[int]) -> None:
        holding = sum(state is State.HOLDING for state in self._states.values())
        if self.held_bytes + len(frame) > self._turn_limit * max(1, holding):
            self._fail("upstream_invalid", _TOO_LONG)
        elif not self._budget.take(len(frame)):
            self._fail("overloaded", "The gateway holds back too many tool calls at the moment.")
        else:
            self.held_bytes += len(frame)
            self._queue.append((frame, turns))

    def _end(self, turns: Sequence[int]) -> None:
        """These turns are complete: judge those with calls."""
        self._step(turns, Signal.TURN_END)
        for turn in turns:
            if self._states.get(turn) is State.JUDGING and self.failure is None:
                if len(self.rulings) >= 2 * TURNS_LIMIT:
                    self._fail("upstream_invalid", _TOO_MANY)
                else:
                    self._rule(turn, self._judged(turn))

    def _judged(self, turn: int) -> Ruling:
        calls = self._reader.calls(turn)
        self._reader.answer.calls[turn] = list(calls)
        if not calls:
            return Refusal("upstream_invalid", "The provider sent parts of a tool call that make no call.")
        if any(call.problem is not None for call in calls):
            return unreadable(calls)
        try:
            ruling = self._judge(calls)
        except Refusal as refusal:
            return refusal
        return Refusal("internal_error", "No ruling.") if isinstance(ruling, Wait) else ruling

    def _rule(self, turn: int, ruling: Ruling) -> None:
        """Apply a ruling on a turn that is JUDGING."""
        self.rulings.append((turn, ruling))
        if isinstance(ruling, Refusal):
            self.failure = ruling
            self.discard()
        elif isinstance(ruling, Release):
            self._step([turn], Outcome.RELEASED)
        else:
            self.denied += ruling.denied
            self._refusals[turn] = self._withheld[turn] = ruling
            self._step([turn], Outcome.WITHHELD)

    def _step(self, turns: Iterable[int], event: Signal | Outcome) -> None:
        for turn in turns:
            self._states[turn] = TRANSITIONS[self._states.get(turn, State.PASSING)][event]

    def _flush(self) -> None:
        """Let leave what waits for no ruling any more."""
        waiting = {turn for turn, state in self._states.items() if state in (State.HOLDING, State.JUDGING)}
        blocking = waiting | self._withheld.keys()
        cut = next((i for i, (_, turns) in enumerate(self._queue) if not blocking.isdisjoint(turns)), len(self._queue))
        self._leave([frame for frame, _ in self._queue[:cut]])
        del self._queue[:cut]
        if waiting or not self._withheld:
            return
        frames = [frame for frame, _ in self._queue]
        if self.held_bytes * len(self._withheld) > REWRITE_LIMIT:
            self._fail("upstream_invalid", _TOO_LONG)
            return
        self._queue.clear()
        self._budget.give(self.held_bytes)
        self.held_bytes = 0
        self._out.append(self._rewritten(frames))
        self._withheld.clear()

    def _rewritten(self, frames: list[bytes]) -> bytes:
        out = b""
        for turn, ruling in self._withheld.items():
            out = self._reader.withhold(turn, frames, ruling)
            splitter = FrameSplitter(len(out))
            frames = splitter.feed(out)
            if splitter.pending:  # an end of the stream that lacks its blank line
                frames.append(splitter.rest)
        return out

    def _leave(self, frames: list[bytes]) -> None:
        size = sum(map(len, frames))
        self._budget.give(size)
        self.held_bytes -= size
        self._out += frames

    def _close(self) -> bytes:
        tail = self._splitter.rest
        _, data, has_data = parse(tail)
        if self.ended:
            return b"" if has_data or has_stray_data(tail) else tail
        try:
            signals = self._read(tail) if has_data else PLAIN
        except UnreadableFrame as error:
            return self._unreadable(error)
        # The end of the stream may lack its blank line; anything else that does was cut off, and is dropped.
        if any(signal is Signal.STREAM_END for _, signal in signals):
            self._take(tail, signals)
            return self._pass(())
        return self._fail("upstream_invalid", "The provider's stream ended before it was complete.")

    def _unreadable(self, error: UnreadableFrame) -> bytes:
        return self._fail("upstream_invalid", f"The provider sent an event that cannot be judged: {error}.")

    def _fail(self, code: str, message: str) -> bytes:
        if self.failure is None:
            self.failure = Refusal(code, message)
            self.discard()
        return b""
