"""How far a value is from a baseline, in standard deviations that mean the same however little is known."""

from math import log1p, sqrt


def normal_of_t(t: float, freedom: float) -> float:
    """The normal deviate with the tail probability of Student's t: Φ⁻¹(F(t; freedom)), signed.

    G. W. Hill, "Algorithm 395: Student's t-distribution", CACM 13 (1970): an expansion that never forms the
    probability, so it is as good at 1e-30 as at 0.1; off by less than 1e-3 of itself from 5 degrees of freedom on.
    """
    a = freedom - 0.5
    b = 48.0 * a * a
    y = a * log1p(t * t / freedom)
    z = ((((-0.4 * y - 3.3) * y - 24.0) * y - 85.5) / (0.8 * y * y + 100.0 + b) + y + 3.0) / b + 1.0
    return z * sqrt(y) if t >= 0.0 else -z * sqrt(y)


def deviation(y: float, mean: float, sd: float, count: float) -> float:
    """σ of one new value against a mean and a spread that are estimates from `count` values, which is above 1.5."""
    return normal_of_t((y - mean) / (sd * sqrt(1.0 + 1.0 / count)), count - 1.0)
