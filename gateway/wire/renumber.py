"""New places for what stays of an answer when its calls are taken out: no gaps, because SDKs count."""

from collections.abc import Iterable


class Renumber:
    """Gives each index the next free place, in the order asked for. Indexes in `kept` stay where they are."""

    def __init__(self, kept: Iterable[int]) -> None:
        self._places = {index: index for index in kept}
        self.free = max(self._places, default=-1) + 1

    def place(self, index: int) -> int:
        """The new index; always the same for one old index."""
        if index not in self._places:
            self._places[index] = self.free
            self.free += 1
        return self._places[index]
