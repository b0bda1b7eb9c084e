"""No tool call leaves unjudged: a machine between a provider's event stream and its client, bytes in, bytes out.

It knows no dialect. A `StreamReader` says what a frame means, a `Judge` decides, and this machine decides when bytes
leave. It never reorders frames: what leaves is what came in, in that order, less what was refused. It never blocks.
"""

from collections.abc import Iterable

from gateway.model.errors import Refusal
from gateway.model.verdict import Denial, Judge, Release, Ruling, Wait, Withhold
from gateway.wire.dialect import PLAIN, Signal, Signals, StreamReader, UnreadableFrame
from gateway.wire.refusal_text import unreadable
from gateway.wire.sse import FRAME_LIMIT, FrameSplitter, FrameTooLong, has_id, has_stray_data, parse
from gateway.wire.turn_states import TRANSITIONS, Outcome, State

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
        waiting: a ruling that the machine waits for; whoever feeds it gets the ruling and gives it to `resolve`.
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
        self._ends: list[int] = []  # turns whose end was read and not acted on yet
        self._put_off: list[bytes] = []  # frames that came while a ruling was awaited
        self._waiting_turn = 0
        self._out: list[bytes] = []
        self._id_seen = False
        self._ended = False
        self.failure: Refusal | None = None
        self.waiting: Wait | None = None
        self.held_bytes = 0
        self.denied: list[Denial] = []
        self.rulings: list[tuple[int, Ruling]] = []

    @property
    def ended(self) -> bool:
        """Whether the provider has ended the stream properly, or by its own error, and its caller knows."""
        return self._ended and self.waiting is None

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
        """The provider's body is over: what may leave of the rest. Sets `failure` if it was not complete.

        It may be that a ruling is awaited then, and not before.
        """
        if self.failure is not None:
            return b""
        if self.waiting is not None:
            return self._fail("internal_error", "A ruling is missing.")
        left = self._close()
        if self.waiting is None:
            self.discard()
        return left

    def resolve(self, ruling: Ruling) -> bytes:
        """The ruling that was awaited: what may leave now. Afterwards the machine may wait again."""
        if self.waiting is None:
            return b""
        self.waiting = None
        frames, self._put_off = self._put_off, []
        self._give_back(frames)
        self._rule(self._waiting_turn, ruling)
        self._judge_ended()
        return self._pass(frames)

    def discard(self) -> None:
        """Drop what is held: nobody waits for it any more. Idempotent."""
        self._budget.give(self.held_bytes)
        self.held_bytes = 0
        self._queue.clear()
        self._put_off.clear()
        self._withheld.clear()
        self.waiting = None

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
            if self.waiting is not None:
                if self._has_room(frame):
                    self._put_off.append(frame)
                continue
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
            self._ended = True
            self._out.append(frame)
            return
        elif self._queue:
            self._hold(frame, frozenset())
        else:
            self._out.append(frame)
        for turn, signal in signals:
            if signal is Signal.TURN_END:
                self._ends.append(turn)
            elif signal is Signal.STREAM_END:
                self._ended = True
                self._ends += [one for one, state in self._states.items() if state is State.HOLDING]
        self._judge_ended()

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
        if self._has_room(frame):
            self._queue.append((frame, turns))

    def _has_room(self, frame: bytes) -> bool:
        """Whether the frame may be held; then it is counted."""
        holding = sum(state is State.HOLDING for state in self._states.values())
        if self.held_bytes + len(frame) > self._turn_limit * max(1, holding):
            self._fail("upstream_invalid", _TOO_LONG)
            return False
        if not self._budget.take(len(frame)):
            self._fail("overloaded", "The gateway holds back too many tool calls at the moment.")
            return False
        self.held_bytes += len(frame)
        return True

    def _judge_ended(self) -> None:
        """Judge the calls of the turns that have ended, as far as rulings are there; then let leave what may."""
        while self._ends and self.failure is None and self.waiting is None:
            turn = self._ends.pop(0)
            self._step([turn], Signal.TURN_END)
            if self._states.get(turn) is not State.JUDGING:
                continue
            if len(self.rulings) >= 2 * TURNS_LIMIT:
                self._fail("upstream_invalid", _TOO_MANY)
                return
            ruling = self._judged(turn)
            if isinstance(ruling, Wait):
                self.waiting, self._waiting_turn = ruling, turn
            else:
                self._rule(turn, ruling)
        if self._withheld or self._queue:
            self._flush()

    def _judged(self, turn: int) -> Ruling | Wait:
        calls = self._reader.calls(turn)
        self._reader.answer.calls[turn] = list(calls)
        if not calls:
            return Refusal("upstream_invalid", "The provider sent parts of a tool call that make no call.")
        if any(call.problem is not None for call in calls):
            return unreadable(calls)
        try:
            return self._judge(calls)
        except Refusal as refusal:
            return refusal

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
        self._give_back(frames)
        self._out += frames

    def _give_back(self, frames: Iterable[bytes]) -> None:
        size = sum(map(len, frames))
        self._budget.give(size)
        self.held_bytes -= size

    def _close(self) -> bytes:
        tail = self._splitter.rest
        _, data, has_data = parse(tail)
        if self._ended:
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
