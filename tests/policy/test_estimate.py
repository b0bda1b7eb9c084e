import random

from gateway.policy.estimate import InputEstimate


def test_it_starts_from_dense_text() -> None:
    assert InputEstimate().tokens("m", 1000) == 508


def test_it_learns_to_guess_too_few_only_rarely() -> None:
    estimate, rng = InputEstimate(), random.Random(7)
    short = 0
    for n in range(6000):
        size = rng.randint(2_000, 20_000)
        tokens = int(size / rng.uniform(1.0, 5.0))
        if n > 2000:
            short += estimate.tokens("m", size) < tokens
        estimate.learn("m", size, tokens)
    assert short / 4000 < 0.03


def test_models_are_learned_apart_and_never_too_many() -> None:
    estimate = InputEstimate()
    for _ in range(50):
        estimate.learn("dense", 100, 200)
    assert estimate.tokens("dense", 1000) > 1000 > estimate.tokens("other", 1000)
    for n in range(1000):
        estimate.learn(f"m{n}", 100, 50)
    assert len(estimate._bytes_per_token) <= 256


def test_nothing_is_learned_from_nothing() -> None:
    estimate = InputEstimate()
    estimate.learn("m", 100, 0)
    estimate.learn("m", 0, 100)
    assert estimate.tokens("m", 1000) == 508
