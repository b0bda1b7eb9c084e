"""Whether an agent goes round in circles: the same call with the same arguments, again and again."""

from gateway.model.transcript import Transcript
from gateway.policy.question import Question


def repeats(question: Question, transcript: Transcript | None, window: int) -> int:
    """How many of the last `window` calls of the conversation were this one, with these arguments; 0 for the first.

    Members in another order make no other call; a number that is written differently (1 and 1.0) makes none either.
    """
    if transcript is None or window <= 0:
        return 0
    return sum(
        call.name == question.tool and call.arguments == question.arguments for call in transcript.calls[-window:]
    )
