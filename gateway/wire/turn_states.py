"""Where a turn of an answer stands on its way through `interdiction`, and what moves it."""

import enum

from gateway.wire.dialect import Signal


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
#          other turn's unjudged parts are among their frames. While a ruling is awaited, what comes from the provider
#          is put off unread, so that what leaves in the end does not depend on how long the ruling took.
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
