"""When a provider is given time to recover, and how it gets its load back."""

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.model.errors import ClientGone, Refusal
from gateway.upstream import breaker as module
from gateway.upstream.breaker import Breaker, Key, Outcome, outcome_of
from gateway.upstream.reply import Unreachable

KEY: Key = ("openai", "gpt-4o")
FAIL, OK, LOST, NOTHING = Outcome.FAILURE, Outcome.SUCCESS, Outcome.UNREACHABLE, Outcome.NOTHING


def passes(breaker: Breaker, now: float, key: Key = KEY) -> bool:
    try:
        breaker.check(key, now)
    except Refusal as refusal:
        assert (refusal.code, refusal.status) == ("upstream_unavailable", 503)
        assert refusal.retry_after is not None and 1 <= refusal.retry_after <= 60
        return False
    return True


def record(breaker: Breaker, outcomes: list[Outcome], now: float = 0.0, agents: int = 2) -> None:
    for n, outcome in enumerate(outcomes):
        breaker.record(KEY, f"a{n % agents}", outcome, now)


def opened(now: float = 0.0, chance: float = 0.5) -> Breaker:
    breaker = Breaker(lambda: chance)
    record(breaker, [FAIL] * 5, now)
    assert not passes(breaker, now)
    return breaker


@pytest.mark.parametrize(
    ("outcomes", "agents", "opens"),
    [
        ([FAIL] * 5, 2, True),
        ([FAIL] * 4, 2, False),
        ([FAIL] * 5, 1, False),
        ([FAIL] * 500, 1, False),
        ([LOST] * 5, 1, True),
        ([LOST] * 4, 1, False),
        ([LOST] * 4 + [FAIL], 1, False),
        ([FAIL, FAIL, OK, FAIL, FAIL, FAIL], 2, False),
        ([FAIL, FAIL, NOTHING, FAIL, FAIL, FAIL], 2, True),
        ([OK, FAIL] * 9, 3, False),
        ([OK, FAIL] * 10, 3, True),
        ([OK, FAIL] * 10, 1, False),
        ([OK, LOST] * 10, 1, True),
        ([OK, OK, FAIL] * 20, 3, False),
        ([NOTHING] * 100, 2, False),
    ],
)
def test_it_opens_for_failures_in_a_row_or_half_of_many_if_they_are_not_one_agents_own(
    outcomes: list[Outcome], agents: int, opens: bool
) -> None:
    breaker = Breaker(lambda: 0.5)
    record(breaker, outcomes, agents=agents)
    assert passes(breaker, 0.0) is not opens
    assert breaker.is_open("openai") is opens
    assert not breaker.is_open("other")


def test_only_the_last_ten_seconds_count() -> None:
    breaker = Breaker(lambda: 0.5)
    for second in range(100):
        record(breaker, [OK, FAIL], float(second * 2))
    assert passes(breaker, 200.0)


def test_other_models_and_providers_are_not_affected() -> None:
    breaker = opened()
    assert passes(breaker, 0.0, ("openai", "gpt-5"))
    assert passes(breaker, 0.0, ("azure", "gpt-4o"))


def test_it_stays_open_for_thirty_seconds_give_or_take_a_fifth() -> None:
    assert not passes(opened(chance=0.0), 23.9)
    assert passes(opened(chance=0.0), 24.1)
    assert not passes(opened(chance=0.999), 35.9)
    assert passes(opened(chance=0.999), 36.1)


def test_one_probe_passes_and_its_failure_doubles_the_wait_up_to_five_minutes() -> None:
    breaker, now = opened(), 0.0
    for wait in (30, 60, 120, 240, 300, 300):
        assert not passes(breaker, now + wait - 0.1)
        now += wait + 0.1
        assert passes(breaker, now)
        assert not passes(breaker, now), "a second probe"
        breaker.record(KEY, "a1", FAIL, now)


def test_a_probe_that_says_nothing_makes_room_for_another() -> None:
    breaker = opened()
    assert passes(breaker, 31)
    breaker.record(KEY, "a1", NOTHING, 32)
    assert passes(breaker, 32)


def test_a_probe_that_never_ends_makes_room_for_another() -> None:
    breaker = opened()
    assert passes(breaker, 31)
    assert not passes(breaker, 31 + module.PROBE_LIFE - 1)
    assert passes(breaker, 31 + module.PROBE_LIFE)


def test_requests_that_had_started_before_do_not_end_the_wait() -> None:
    breaker = opened()
    record(breaker, [OK, FAIL, LOST, OK], 1.0)
    assert not passes(breaker, 29.0)
    assert passes(breaker, 30.1)


def test_after_a_good_probe_the_load_comes_back_in_steps() -> None:
    dice = random.Random(7)
    breaker = Breaker(dice.random)
    record(breaker, [FAIL] * 5)
    assert passes(breaker, 40)
    breaker.record(KEY, "a1", OK, 40)
    for start, share in ((40, 0.10), (45, 0.25), (50, 0.50)):
        passed = sum(passes(breaker, start + 4.9 * n / 1000) for n in range(1000))
        assert abs(passed / 1000 - share) < 0.05
        assert breaker.is_open("openai")
    assert all(passes(breaker, 55.0) for _ in range(100))
    assert not breaker.is_open("openai")


def test_trouble_while_the_load_comes_back_opens_it_again_for_longer() -> None:
    breaker = opened(chance=0.0)
    assert passes(breaker, 31)
    breaker.record(KEY, "a1", OK, 31)
    record(breaker, [FAIL] * 5, 32)
    assert not passes(breaker, 32 + 47)
    assert passes(breaker, 32 + 48.1)


def test_once_closed_it_starts_from_thirty_seconds_again() -> None:
    breaker = opened()
    assert passes(breaker, 31)
    breaker.record(KEY, "a1", OK, 31)
    assert passes(breaker, 47)
    record(breaker, [FAIL] * 5, 50)
    assert not passes(breaker, 79)
    assert passes(breaker, 81)


def test_models_that_callers_make_up_do_not_fill_the_memory() -> None:
    breaker = opened()
    for n in range(5000):
        breaker.record(("openai", f"made-up-{n}"), "a", OK, 0.0)
    assert len(breaker._circuits) <= 1000
    assert not passes(breaker, 1.0), "an open circuit is kept"
    for n in range(2000):
        for m in range(5):
            breaker.record(("openai", f"failing-{n}"), f"a{m}", FAIL, 0.0)
    assert len(breaker._circuits) <= 1000


@pytest.mark.parametrize(
    ("status", "failure", "outcome"),
    [
        (200, None, OK),
        (400, None, OK),
        (401, None, OK),
        (429, None, NOTHING),
        (500, None, FAIL),
        (503, None, FAIL),
        (None, None, NOTHING),
        (None, Unreachable("x"), LOST),
        (None, Refusal("upstream_unavailable", "x"), FAIL),
        (None, Refusal("upstream_timeout", "x"), FAIL),
        (200, Refusal("upstream_invalid", "x"), FAIL),
        (200, Refusal("policy_denied", "x"), NOTHING),
        (None, Refusal("gateway_draining", "x"), NOTHING),
        (200, ClientGone(), NOTHING),
        (None, RuntimeError(), NOTHING),
    ],
)
def test_what_an_ended_exchange_says_about_the_provider(
    status: int | None, failure: BaseException | None, outcome: Outcome
) -> None:
    assert outcome_of(status, failure) is outcome


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order: no crash, no stuck circuit, nothing opened by one agent's own failures."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker(random.Random(1).random)
        self.own = Breaker(random.Random(1).random)

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def ask(self) -> None:
        passes(self.breaker, self.now)

    @rule(agent=st.sampled_from("abc"), outcome=st.sampled_from(Outcome), times=st.integers(1, 8))
    def end(self, agent: str, outcome: Outcome, times: int) -> None:
        for _ in range(times):
            self.breaker.record(KEY, agent, outcome, self.now)
            if outcome is not LOST:
                self.own.record(KEY, "a", outcome, self.now)

    @invariant()
    def one_agent_alone_closes_nothing_for_others(self) -> None:
        assert passes(self.own, self.now)

    @invariant()
    def it_always_recovers(self) -> None:
        circuit = self.breaker._circuits.get(KEY)
        if circuit is not None and not circuit.closed and circuit.ramp_since is None:
            assert circuit.open_until <= self.now + 300 * 1.2


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40)


def test_circuits_that_are_not_closed_are_told_with_what_comes_next() -> None:
    breaker = opened(chance=0.5)
    assert breaker.troubled(10.0) == [(*KEY, "open", 20.0)]
    assert breaker.troubled(30.0) == [(*KEY, "probing", 0.0)]
    assert passes(breaker, 30.0)
    breaker.record(KEY, "a", OK, 31.0)
    assert breaker.troubled(32.0) == [(*KEY, "ramping", 0.0)]
    breaker = Breaker(lambda: 0.5)
    record(breaker, [OK, FAIL])
    assert breaker.troubled(1.0) == []
