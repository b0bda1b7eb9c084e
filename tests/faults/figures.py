"""What fault runs count and measure, and how it is summed up."""

import time
from collections.abc import Callable, Sequence


class Figures:
    """Numbers by the name of the run that found them."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, object]] = {}

    def note(self, run: str, **numbers: object) -> None:
        """Keep the numbers of a run; floats to three places."""
        kept = {name: round(n, 3) if isinstance(n, float) else n for name, n in numbers.items()}
        self.runs.setdefault(run, {}).update(kept)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of all lie; 0 of none."""
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def milliseconds(seconds: Sequence[float], prefix: str = "") -> dict[str, float]:
    """Median, 99th percentile and maximum of some durations, in milliseconds."""
    shares = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    return {f"{prefix}{name}_ms": quantile(seconds, share) * 1000 for name, share in shares}


class Stopwatch:
    """Seconds since it was made, on the monotonic clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()

    @property
    def seconds(self) -> float:
        return self._clock() - self._began
