"""Memory that callers fill must not grow with what they send."""

from collections.abc import Callable, Hashable
from typing import Any


def make_room(held: dict[Any, Any], limit: int) -> None:
    """Drop the entry that was added first, where one more would make more than `limit`."""
    if len(held) >= limit:
        del held[next(iter(held))]


class Seldom:
    """Lets the same thing be told once within so many seconds.

    Args:
        limit: things that are remembered; of one that had to make room, it is not known that it was told.
        clock: seconds.
    """

    def __init__(self, seconds: float, limit: int, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._limit = limit
        self._clock = clock
        self._last: dict[Hashable, float] = {}

    def due(self, thing: Hashable) -> bool:
        """Whether it is to be told now; then it was."""
        now = self._clock()
        if now - self._last.get(thing, float("-inf")) < self._seconds:
            return False
        self._last.pop(thing, None)
        make_room(self._last, self._limit)
        self._last[thing] = now
        return True
