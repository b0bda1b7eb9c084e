"""An agent that uses helpers speaks with several voices: each has its own prompt, and numbers that are usual of it.

A voice is told by its prompt, though not to the letter: dates, names of users and what the agent remembers change in it
all the time. Prompts are compared by the sketches that their hashes end with; see `gateway.identity.sketch`.
"""

from dataclasses import dataclass, field

from gateway.immune import constants as k

SKETCH = 24
_EMPTY = "."
OTHERS = 1
"""More voices than are told apart are one."""


def likeness(one: str, two: str) -> float:
    """How much of what either of two prompts says both say, from 0 to 1, as their hashes tell; 0 where these have no
    sketch."""
    first, second = one.partition(_EMPTY)[2], two.partition(_EMPTY)[2]
    if len(first) != SKETCH or len(second) != SKETCH:
        return 0.0
    equal = [slot for slot, other in zip(first, second, strict=True) if slot == other]
    empty = equal.count(_EMPTY)
    return (len(equal) - empty) / (SKETCH - empty) if empty < SKETCH else 0.0


@dataclass(slots=True)
class Voices:
    """Of one agent. Voices have numbers that are never used again: the first one 0, `OTHERS` together 1.

    kept: by the prompt that a voice was first heard with, its number, and the agent's calls when it spoke last.
    numbers: of the latest prompts. count: the next number. last, number: the latest prompt, and whose it was.
    """

    kept: dict[str, list[int]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    count: int = 0
    last: str = ""
    number: int = 0

    def of(self, prompt: str | None, calls: int) -> int:
        """The number of the voice that speaks. `calls`: the agent's so far."""
        if prompt is None:
            return 0
        if prompt != self.last:
            number = self.numbers.pop(prompt, None)
            if number is None:
                number = self._like(prompt, calls)
            self.numbers[prompt] = number
            if len(self.numbers) > k.VOICE_PROMPTS:
                del self.numbers[next(iter(self.numbers))]
            self._note(calls)
            self.last, self.number = prompt, number
            self._note(calls)
        return self.number

    def _note(self, calls: int) -> None:
        for one in self.kept.values():
            if one[0] == self.number:
                one[1] = calls

    def _like(self, prompt: str, calls: int) -> int:
        """Of the voice that the prompt is most like; a new one if it is like none, as long as there is room."""
        best = max(self.kept, key=lambda known: likeness(known, prompt), default=None)
        if best is not None and likeness(best, prompt) >= k.VOICE_LIKE:
            return self.kept[best][0]
        if len(self.kept) >= k.VOICES_KEPT:
            silent = min(self.kept, key=lambda known: self.kept[known][1])
            if calls - self.kept[silent][1] < k.VOICE_FORGOTTEN:
                return OTHERS  # who is another one each time would never be known
            del self.kept[silent]
        number, self.count = self.count, max(self.count, OTHERS) + 1
        self.kept[prompt] = [number, calls]
        return number
