"""Run lengths of the very functions that detection uses, against published ones.

EWMA: Lucas and Saccucci, "Exponentially weighted moving average control schemes", Technometrics 32 (1990), Crowder
(1989), and the examples of SAS/QC; CUSUM: Montgomery, "Introduction to Statistical Quality Control", table 9.3.
"""

import random
from collections.abc import Callable
from math import sqrt

import pytest

from gateway.immune import constants
from gateway.immune.cusum import Rate, ewma, upward

Step = Callable[[float], bool]


def run_length(chart: Callable[[], Step], shift: float, runs: int) -> float:
    """The mean number of values until the alarm, from a mean that is `shift` σ off."""
    draw = random.Random(4).gauss
    total = 0
    for _ in range(runs):
        alarms = chart()
        total += 1
        while not alarms(draw(shift, 1.0)):
            total += 1
    return total / runs


def ewma_chart(alpha: float, width: float) -> Callable[[], Step]:
    limit = width * sqrt(alpha / (2.0 - alpha))

    def chart() -> Step:
        mean = 0.0

        def step(y: float) -> bool:
            nonlocal mean
            mean = ewma(mean, y, alpha)
            return abs(mean) > limit

        return step

    return chart


def cusum_chart(slack: float, limit: float) -> Callable[[], Step]:
    def chart() -> Step:
        rise = fall = 0.0

        def step(y: float) -> bool:
            nonlocal rise, fall
            rise, fall = upward(rise, y, slack, 99.0), upward(fall, -y, slack, 99.0)
            return rise > limit or fall > limit

        return step

    return chart


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("chart", "quiet", "shifted"),
    [
        (ewma_chart(0.5, 3.071), 500.0, 17.5),
        (ewma_chart(0.03, 2.437), 500.0, 12.6),
        (ewma_chart(0.2, 2.86), 371.0, 9.8),
        (ewma_chart(0.1, 2.703), 372.0, 9.75),
        (ewma_chart(0.25, 3.0), None, 11.154),
        (cusum_chart(0.5, 4.0), 168.0, 8.38),
    ],
    ids=["ewma .5", "ewma .03", "ewma .2", "ewma .1", "ewma .25", "cusum"],
)
def test_run_lengths_are_the_published_ones(chart: Callable[[], Step], quiet: float | None, shifted: float) -> None:
    # Run lengths are spread like a geometric distribution, so the mean of n has a standard error of 1 / sqrt(n).
    assert run_length(chart, 1.0, 8_000) == pytest.approx(shifted, rel=0.03)
    if quiet is not None:
        assert run_length(chart, 0.0, 1_500) == pytest.approx(quiet, rel=0.08)


def test_one_value_counts_at_most_so_much() -> None:
    assert upward(0.0, 1e9, 1.0, 4.0) == 3.0
    assert upward(0.5, -7.0, 1.0, 4.0) == 0.0


def test_four_failures_in_a_row_are_an_alarm() -> None:
    rate = Rate()
    assert not any(rate.take(False) for _ in range(100))
    assert [rate.take(True) for _ in range(4)] == [False, False, False, True]


def test_an_agent_that_fails_often_anyway_alarms_only_when_that_becomes_worse() -> None:
    draw = random.Random(1).random
    rate = Rate()
    for _ in range(400):
        rate.take(draw() < 0.2)
    assert sum(rate.take(draw() < 0.2) for _ in range(1_000)) <= 3
    assert any(rate.take(True) for _ in range(15))


def test_failures_of_two_in_a_hundred_calls_hardly_ever_alarm() -> None:
    draw = random.Random(2).random
    rate = Rate()
    assert sum(rate.take(draw() < 0.02) for _ in range(20_000)) <= 4


def test_one_that_always_fails_stays_countable() -> None:
    rate = Rate()
    for _ in range(5_000):
        rate.take(True)
    assert rate.calls <= constants.RATE_KEPT
    assert 0.0 <= rate.sum <= constants.RATE_LIMIT
