"""What is usual for one number of one agent and model: learned in constant space, hard to move by single calls."""

from dataclasses import dataclass, field
from math import exp, sqrt
from statistics import median

from gateway.immune import constants as k
from gateway.immune.cusum import ewma
from gateway.immune.score import deviation


@dataclass(slots=True)
class Baseline:
    """Mean and variance of y = ln(x + c), exponentially forgetting.

    `share` is the sum of the squared weights of what was learned: 1 / share values are worth as much as all of it.
    `sample` is the warm-up, in thousandths, None when that is over; every `stride`-th value goes into it. `rise` and
    `fall` are the CUSUMs; `last` and `before` the two latest values; `slow` is where the mean was a week ago.
    """

    count: int = 0
    mean: float = 0.0
    variance: float = 0.0
    share: float = 0.0
    rise: float = 0.0
    fall: float = 0.0
    last: float = 0.0
    before: float = 0.0
    slow: float = 0.0
    slow_at: float = 0.0
    z: float = 0.0
    boosted: int = 0
    drifting: bool = False
    stride: int = 1
    sample: list[int] | None = field(default_factory=list)

    @property
    def sd(self) -> float:
        sd = sqrt(self.variance)
        return sd if sd > k.FLOOR else k.FLOOR

    def score(self, y: float) -> float | None:
        """σ of a value, before anything is learned from it. None while too little is known."""
        if self.share == 0.0:
            return None
        return deviation(y, self.mean, self.sd, 1.0 / self.share)

    def learn(self, y: float, at: float, conversations: int) -> None:
        """Take a value in. `at` in seconds, `conversations` how many different ones the agent had so far."""
        self.count += 1
        self.before, self.last = self.last, y
        if self.share:
            self._follow(y, at)
        if self.sample is not None:
            self._warm_up(self.sample, y, at, conversations)

    def drifted(self) -> bool:
        """Whether the mean has just come to be far above what it was a week ago: told once, until that is over."""
        away = self.mean - self.slow
        if away < k.DRIFT_AGAIN:
            self.drifting = False
        elif away > k.DRIFT and not self.drifting and self.sample is None:
            self.drifting = True
            return True
        return False

    def rebase(self) -> None:
        """What comes now is the new normal: learn it from the beginning."""
        fresh = Baseline()
        for name in Baseline.__slots__:
            setattr(self, name, getattr(fresh, name))

    def boost(self) -> None:
        self.boosted = k.BOOSTED_CALLS

    def _follow(self, y: float, at: float) -> None:
        share, off, most = self.share, y - self.mean, k.CLIP * self.sd
        alpha = share / (1.0 + share)  # equal weights until that many values are known
        if alpha < k.ALPHA:
            alpha = k.ALPHA
        if self.boosted:
            self.boosted -= 1
            alpha = k.ALPHA * k.BOOST
        off = most if off > most else -most if off < -most else off
        self.mean = ewma(self.mean, self.mean + off, alpha)
        # The spread around a mean that is itself an estimate is larger by its share.
        self.variance = ewma(self.variance, k.CLIPPED_VARIANCE * off * off / (1.0 + share), alpha)
        self.share = (1.0 - alpha) ** 2 * share + alpha * alpha
        if at > self.slow_at:
            self.slow += (1.0 - exp((self.slow_at - at) / k.DRIFT_SECONDS)) * (self.mean - self.slow)
            self.slow_at = at

    def _warm_up(self, sample: list[int], y: float, at: float, conversations: int) -> None:
        if self.count % self.stride == 0:
            sample.append(round(1000 * y))
            if len(sample) >= k.SAMPLE:
                del sample[::2]
                self.stride *= 2
        full = self.count >= k.WARM_CALLS and conversations >= k.WARM_CONVERSATIONS
        if full or self.count >= k.WARM_ANYWAY:
            self._settle(sample, at)
            self.sample = None
        elif self.count == k.EARLY:
            self._settle(sample, at)

    def _settle(self, sample: list[int], at: float) -> None:
        """Begin from the warm-up, its outliers clipped."""
        middle = median(sample)
        reach = max(k.OUTLIER * median([abs(y - middle) for y in sample]), 1000 * k.FLOOR)
        values = [min(max(y, middle - reach), middle + reach) / 1000 for y in sample]
        n = len(values)
        self.mean = sum(values) / n
        self.variance = sum((y - self.mean) ** 2 for y in values) / (n - 1) * (1.0 + k.SMALL_SAMPLE / n)
        self.share = 1.0 / n
        self.slow, self.slow_at = self.mean, at
