import random
from math import log

import pytest

from gateway.immune import constants
from gateway.immune.baseline import Baseline

DAY = 86_400.0


def learned(values: list[float], *, conversations: int = 9, at: float = 0.0) -> Baseline:
    baseline = Baseline()
    for y in values:
        baseline.learn(y, at, conversations)
    return baseline


def drawn(count: int, seed: int = 1, mean: float = 5.0, sd: float = 1.0) -> list[float]:
    draw = random.Random(seed).gauss
    return [draw(mean, sd) for _ in range(count)]


@pytest.mark.exhaustive
def test_a_score_means_what_it_says_however_little_is_known() -> None:
    """P(z > 3) of a normal deviate is 1.35e-3; here right after the warm-up, and later."""
    draw = random.Random(3).gauss
    early, early_of, late, late_of = 0, 0, 0, 0
    for _ in range(9_000):
        baseline = Baseline()
        for call in range(45):
            y = draw(5.0, 1.0)
            z = baseline.score(y)
            assert (z is None) == (call < constants.EARLY)
            if z is not None:
                early, early_of = early + (z > 3.0), early_of + 1
            baseline.learn(y, 0.0, 9)
    baseline = learned(drawn(100))
    for _ in range(400_000):
        y = draw(5.0, 1.0)
        z = baseline.score(y)
        late, late_of = late + (z is not None and z > 3.0), late_of + 1
        baseline.learn(y, 0.0, 9)
    print(f"P(z > 3): {early / early_of:.2e} in the first calls, {late / late_of:.2e} later")
    assert 1.2e-3 <= early / early_of <= 1.6e-3
    assert 1.2e-3 <= late / late_of <= 1.6e-3


@pytest.mark.parametrize(
    ("calls", "conversations", "warm"), [(29, 9, False), (30, 5, True), (30, 4, False), (199, 4, False), (200, 1, True)]
)
def test_the_warm_up_lasts_thirty_calls_of_five_conversations_or_two_hundred(
    calls: int, conversations: int, warm: bool
) -> None:
    assert (learned(drawn(calls), conversations=conversations).sample is None) == warm


def test_a_long_warm_up_keeps_few_values_and_all_of_its_time() -> None:
    baseline = learned([float(call) for call in range(190)], conversations=1)
    assert baseline.sample is not None and len(baseline.sample) < constants.SAMPLE
    assert baseline.sample[0] < 20_000 and baseline.sample[-1] > 170_000


def test_outliers_of_the_warm_up_do_not_become_normal() -> None:
    values = drawn(30, sd=0.3)
    values[7] = values[20] = 14.0
    baseline = learned(values)
    assert baseline.mean == pytest.approx(5.0, abs=0.3)
    assert baseline.sd < 0.7
    assert (baseline.score(14.0) or 0.0) > 5.0


def test_a_constant_past_does_not_make_small_changes_large() -> None:
    baseline = learned([5.0] * 100)
    assert baseline.sd == constants.FLOOR
    assert (baseline.score(5.0 + log(1.5)) or 0.0) < 2.1


def test_single_giants_hardly_move_a_baseline() -> None:
    values = drawn(500)
    before = learned(values[:100])
    poisoned = learned([20.0 if place > 100 and place % 20 == 0 else y for place, y in enumerate(values)])
    assert poisoned.mean - before.mean < 0.5
    assert poisoned.sd < 2.0


def test_a_lasting_change_becomes_normal_in_time() -> None:
    baseline = learned(drawn(100) + drawn(300, seed=2, mean=9.0))
    assert baseline.mean == pytest.approx(9.0, abs=0.5)


def test_after_healing_it_learns_faster_for_a_while() -> None:
    usual, boosted = learned(drawn(100)), learned(drawn(100))
    boosted.boost()
    for y in drawn(constants.BOOSTED_CALLS, seed=2, mean=7.0):
        usual.learn(y, 0.0, 9)
        boosted.learn(y, 0.0, 9)
    assert boosted.mean > usual.mean + 0.5
    assert boosted.boosted == 0


def test_the_new_normal_is_learned_from_the_beginning() -> None:
    baseline = learned(drawn(100))
    baseline.rebase()
    assert baseline == Baseline()


def test_poisoning_that_no_call_gives_away_is_a_drift() -> None:
    """1 % more every hour: each call looks like the one before, but the baseline leaves its second reference behind."""
    baseline = learned(drawn(100, sd=0.3))
    draw = random.Random(5).gauss
    told, worst = [], 0.0
    for hour in range(300):
        at = 3_600.0 * hour
        for _ in range(10):
            y = draw(5.0 + 0.01 * hour, 0.3)
            worst = max(worst, baseline.score(y) or 0.0)
            baseline.learn(y, at, 9)
            if baseline.drifted():
                told.append(at)
    assert worst < 4.3
    assert len(told) == 1 and told[0] < 9 * DAY


def test_a_drift_is_told_again_only_after_it_was_over() -> None:
    baseline = learned(drawn(100))
    baseline.slow = baseline.mean - 2.0
    assert [baseline.drifted() for _ in range(3)] == [True, False, False]
    baseline.slow = baseline.mean
    assert not baseline.drifted()
    baseline.slow = baseline.mean - 2.0
    assert baseline.drifted()


def test_honest_seasons_are_no_drift() -> None:
    baseline = learned(drawn(100, sd=0.3))
    draw = random.Random(6).gauss
    for day in range(120):
        for _ in range(20):
            baseline.learn(draw(5.0 + 0.01 * day, 0.3), DAY * day, 9)
            assert not baseline.drifted()
