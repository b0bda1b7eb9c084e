"""Estimates that learn from what providers count."""

from gateway.model.answer import Usage
from gateway.pricing.calibration import Calibration


def test_four_bytes_are_a_token_until_a_provider_has_counted() -> None:
    assert Calibration().estimate("m", 4000, 400) == Usage(1000, 100)
    assert Calibration().estimate(None, 0, 0) == Usage(1, 1)


def test_estimates_follow_what_the_model_really_counts() -> None:
    calibration = Calibration()
    for _ in range(200):
        calibration.learn("dense", 1000, 1000, Usage(500, 400, reasoning_tokens=200))
    assert calibration.estimate("dense", 2000, 100) == Usage(1000, 20)
    assert calibration.estimate("other", 2000, 100) == Usage(500, 25)


def test_tiny_exchanges_teach_nothing() -> None:
    calibration = Calibration()
    calibration.learn("m", 10, 10, Usage(1000, 1000))
    assert calibration.estimate("m", 400, 400) == Usage(100, 100)


def test_made_up_models_fill_no_memory() -> None:
    calibration = Calibration()
    for n in range(3000):
        calibration.learn(f"m{n}", 1000, 1000, Usage(100, 100))
    assert len(calibration._inputs) <= 1000
