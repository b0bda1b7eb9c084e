"""Averages and sums that find a small lasting change: of scores, and of yes-or-no events."""

from dataclasses import dataclass
from math import log

from gateway.immune import constants as k


def ewma(mean: float, y: float, alpha: float) -> float:
    """The exponentially weighted mean after one more value. In the long run its variance is alpha / (2 - alpha)."""
    return mean + alpha * (y - mean)


def upward(sum_: float, z: float, slack: float, most: float) -> float:
    """Page's sum of what scores are above the slack. One score counts at most `most`, or one call were a change."""
    step = (z if z < most else most) - slack
    return sum_ + step if sum_ + step > 0.0 else 0.0


@dataclass(slots=True)
class Rate:
    """A Bernoulli CUSUM: has the share of bad calls gone up? `calls` and `bad` fade; `sum` is the log likelihood ratio,
    `run` the bad calls in a row.

    Reynolds and Stoumbos, "A CUSUM chart for monitoring a proportion when inspecting continuously" (1999).
    """

    calls: float = 0.0
    bad: float = 0.0
    sum: float = 0.0
    run: int = 0

    def take(self, bad: bool) -> bool:
        """Count one call; whether it is an alarm. After one the sum stays at the limit: while it goes on, each bad call
        is one, and good calls take it down."""
        alarm = False
        if bad or self.sum > 0.0:
            usual = max(k.RATE_LEAST, (1.0 + self.bad) / (self.calls + k.RATE_PRIOR))
            worse = max(k.RATE_BAD, min(k.RATE_BAD_MOST, k.RATE_WORSE * usual), usual)
            step = log(worse / usual) if bad else log((1.0 - worse) / (1.0 - usual))
            self.sum = max(0.0, self.sum + step)
            alarm = bad and self.sum > k.RATE_LIMIT
            self.sum = min(self.sum, k.RATE_LIMIT)
        self.run = self.run + 1 if bad else 0
        self.calls += 1.0
        self.bad += bad
        if self.calls > k.RATE_KEPT:
            self.calls, self.bad = self.calls / 2.0, self.bad / 2.0
        return alarm
