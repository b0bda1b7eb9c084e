"""Rates counted by one process alone, for the time it cannot ask the others. Pure: time is an argument.

Each process lets its share of a limit pass, so that together they keep it as well as can be known.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable
from operator import itemgetter

from gateway.model.bounded import make_room
from gateway.policy.claim import Claim

_MINUTE = 60.0
_SUBJECTS = 10_000


class LocalWindows:
    """Counts claims that are no budgets: sliding minutes, and what is under way."""

    def __init__(self) -> None:
        # Lists and no deques, which take half a kilobyte each: most subjects ask once a minute.
        self._minutes: dict[tuple[str, str], list[tuple[float, int]]] = {}
        self._running: dict[str, int] = {}

    def take(self, claims: Iterable[Claim], now: float, *, replicas: int) -> tuple[Claim, float] | None:
        """Count the claims, all or none. Else the first without room, and the seconds until it may have some.

        Args:
            now: seconds on a monotonic clock.
            replicas: how many processes share the limit.
        """
        counted = [claim for claim in claims if claim.base > 0]
        for claim in counted:
            share = claim.bound.most and max(1, claim.bound.most // replicas)
            if claim.bound.kind.span == "now":
                if self._running.get(claim.subject, 0) >= share:
                    return claim, 1.0
                continue
            window = self._window(claim, now)
            used = sum(amount for _, amount in window)
            # With nothing counted one passes, or a share smaller than a request would let none pass.
            if used + claim.amount(0) > share and (window or not share):
                return claim, window[0][0] + _MINUTE - now if window else _MINUTE
        for claim in counted:
            if claim.bound.kind.span == "now":
                self._running[claim.subject] = self._running.get(claim.subject, 0) + 1
            else:
                _add(self._window(claim, now), math.ceil(now), claim.amount(0))
        return None

    def leave(self, claims: Iterable[Claim]) -> None:
        """An exchange whose claims were taken is over."""
        for claim in claims:
            if claim.bound.kind.span == "now":
                rest = self._running.get(claim.subject, 0) - 1
                if rest > 0:
                    self._running[claim.subject] = rest
                else:
                    self._running.pop(claim.subject, None)

    def _window(self, claim: Claim, now: float) -> list[tuple[float, int]]:
        key = (claim.bound.name, claim.subject)
        window = self._minutes.get(key)
        if window is None:
            make_room(self._minutes, _SUBJECTS)
            window = self._minutes[key] = []
        if window and window[0][0] <= now - _MINUTE:
            del window[: bisect_right(window, now - _MINUTE, key=itemgetter(0))]
        return window


def _add(window: list[tuple[float, int]], second: int, amount: int) -> None:
    """Counted by the second, rounded up: what is looked at for each request does not grow with how many there are."""
    if window and window[-1][0] == second:
        amount += window.pop()[1]
    window.append((second, amount))
