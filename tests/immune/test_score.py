from math import erfc, exp, lgamma, log, pi, sqrt
from statistics import NormalDist

import pytest

from gateway.immune.score import deviation, normal_of_t


def tail_of_t(t: float, freedom: float) -> float:
    """P(T > t), integrated by Simpson's rule over the logarithm of t: exact enough far out."""
    scale = exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2)) / sqrt(pi * freedom)
    low, high, steps = log(t), log(t) + 60 / freedom + 3, 20_000
    width = (high - low) / steps
    total = 0.0
    for step in range(steps + 1):
        x = exp(low + step * width)
        weight = 1 if step in (0, steps) else 4 if step % 2 else 2
        total += weight * x * (1 + x * x / freedom) ** (-(freedom + 1) / 2)
    return scale * total * width / 3


def tail_of_normal(z: float) -> float:
    return erfc(z / sqrt(2)) / 2


@pytest.mark.parametrize("freedom", [14.0, 29.0, 64.67])
@pytest.mark.parametrize("t", [0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 15.0])
def test_a_score_has_the_tail_probability_of_students_t(t: float, freedom: float) -> None:
    z = normal_of_t(t, freedom)
    assert log(tail_of_normal(z)) == pytest.approx(log(tail_of_t(t, freedom)), rel=2e-3, abs=2e-3)


def test_quantiles_are_those_of_the_tables() -> None:
    # The 99.5 % points of Student's t.
    for freedom, t in ((14, 2.9768), (29, 2.7564), (60, 2.6603)):
        assert normal_of_t(t, freedom) == pytest.approx(NormalDist().inv_cdf(0.995), abs=1e-4)


def test_scores_are_symmetric_and_go_on_far_out() -> None:
    assert normal_of_t(-4.0, 20.0) == -normal_of_t(4.0, 20.0)
    assert normal_of_t(0.0, 20.0) == 0.0
    assert 20.0 < normal_of_t(1e3, 64.67) < normal_of_t(1e6, 64.67) < 60.0


def test_a_deviation_is_smaller_the_less_is_known() -> None:
    few, many = deviation(10.0, 5.0, 1.0, 15.0), deviation(10.0, 5.0, 1.0, 65.67)
    assert 3.0 < few < many < 5.0
    assert deviation(0.0, 5.0, 1.0, 15.0) == -few
