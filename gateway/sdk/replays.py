"""Which call tokens were used before. One process knows its own; several need a store that they share."""

import heapq
import threading
from typing import Protocol


class Replays(Protocol):
    """Where used tokens are remembered."""

    def take(self, token_id: str, expires: float, now: float) -> bool:
        """Whether this is the first use, which it is then remembered as until `expires`; False also where it cannot
        be remembered. Seconds since the epoch. With Redis: `SET token_id 1 NX EXAT expires`."""


class ReplayCache:
    """Remembers in this process, at most `most` tokens that are still valid: when it is full, nothing is taken.

    To forget the oldest instead would let whoever can fill the cache use a token twice.
    """

    def __init__(self, most: int = 100_000) -> None:
        self._most = most
        self._known: set[str] = set()
        self._by_expiry: list[tuple[float, str]] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def take(self, token_id: str, expires: float, now: float) -> bool:
        """See Replays."""
        with self._lock:
            while self._by_expiry and self._by_expiry[0][0] < now:
                self._known.discard(heapq.heappop(self._by_expiry)[1])
            if token_id in self._known or len(self._known) >= self._most:
                return False
            self._known.add(token_id)
            heapq.heappush(self._by_expiry, (expires, token_id))
            return True
