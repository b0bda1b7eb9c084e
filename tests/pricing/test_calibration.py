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
    assert calibration.estimate("dense", 2000, 100) == Usage(1000, 40)
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


def test_reasoning_that_is_shown_is_counted_by_its_text() -> None:
    calibration = Calibration()
    calibration.learn("m", 1000, 8000, Usage(250, 2000, reasoning_tokens=1800))
    assert calibration.estimate("m", 1000, 400) == Usage(250, 100)


def test_reasoning_that_is_hidden_is_counted_as_much_as_is_usual_though_nothing_was_written() -> None:
    calibration = Calibration()
    calibration.learn("m", 1000, 400, Usage(250, 2100, reasoning_tokens=2000))
    assert calibration.estimate("m", 1000, 0) == Usage(250, 2000, reasoning_tokens=2000)
    assert calibration.estimate("m", 1000, 400) == Usage(250, 2100, reasoning_tokens=2000)
    for _ in range(200):
        calibration.learn("m", 1000, 400, Usage(250, 100))
    assert calibration.estimate("m", 1000, 400) == Usage(250, 100)


def test_reasoning_that_is_hidden_and_not_told_apart_is_counted_too() -> None:
    calibration = Calibration()
    calibration.learn("m", 1000, 400, Usage(250, 2000))
    assert calibration.estimate("m", 1000, 0).output_tokens == 1600
    assert calibration.estimate("m", 1000, 400).output_tokens == 2000
