"""The circuit breaker of the store: when to stop asking Redis, and when to try again.

Not the one of `upstream`, which keeps rates by provider, model and agent and admits shares of real requests: here is
one store, any failure counts, and only a probe may close it.

A pure machine: CLOSED -> (failures in a row) -> OPEN -> (time) -> PROBING -> CLOSED or OPEN again. It never waits and
never asks anything itself; the clock and the jitter are arguments.
"""

from collections.abc import Callable
from enum import Enum


class State(Enum):
    """CLOSED lets everything pass, OPEN nothing, PROBING only the one call that tests the store."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


class Breaker:
    """Opens after `threshold` failures in a row, for `open_for` to twice `open_for` seconds.

    Args:
        clock: monotonic seconds.
        jitter: a number in [0, 1); spreads the probes of many replicas.
        probe_for: seconds after which a probe without outcome counts as lost, so that another may start.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        jitter: Callable[[], float],
        threshold: int = 3,
        open_for: float = 0.5,
        probe_for: float = 1.0,
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._threshold = threshold
        self._open_for = open_for
        self._probe_for = probe_for
        self._failures = 0
        self._until = 0.0
        self.state = State.CLOSED
        self.trips = 0

    @property
    def closed(self) -> bool:
        """Whether ordinary calls pass."""
        return self.state is State.CLOSED

    def begin_probe(self) -> bool:
        """Claim the right to send the one call that tests the store; False while it is too early."""
        if self.state is State.CLOSED or self._clock() < self._until:
            return False
        self.state = State.PROBING
        self._until = self._clock() + self._probe_for
        return True

    def succeeded(self) -> None:
        """The store has answered. An answer that comes late, after the breaker opened, closes nothing."""
        if self.state is State.OPEN:
            return
        self.state = State.CLOSED
        self._failures = 0

    def failed(self) -> None:
        """The store did not answer, in time or at all."""
        self._failures += 1
        if self.state is State.PROBING or (self.state is State.CLOSED and self._failures >= self._threshold):
            self.trip()

    def trip(self) -> None:
        """Open now: the store itself says that it cannot serve."""
        if self.state is not State.OPEN:
            self.trips += 1
        self.state = State.OPEN
        self._failures = 0
        self._until = self._clock() + self._open_for * (1 + self._jitter())
