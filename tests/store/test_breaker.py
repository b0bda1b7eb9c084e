from hypothesis import given
from hypothesis import strategies as st

from gateway.store.breaker import Breaker, State


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make(clock: Clock, jitter: float = 0.0) -> Breaker:
    return Breaker(clock, jitter=lambda: jitter, threshold=3, open_for=0.5, probe_for=1.0)


def test_three_failures_in_a_row_open_it() -> None:
    breaker = make(Clock())
    breaker.failed()
    breaker.failed()
    assert breaker.closed
    breaker.failed()
    assert breaker.state is State.OPEN
    assert breaker.trips == 1


def test_a_success_starts_the_count_anew() -> None:
    breaker = make(Clock())
    for _ in range(10):
        breaker.failed()
        breaker.failed()
        breaker.succeeded()
    assert breaker.closed


def test_a_closed_breaker_needs_no_probe() -> None:
    assert not make(Clock()).begin_probe()


def test_one_probe_passes_when_the_time_is_over() -> None:
    clock = Clock()
    breaker = make(clock)
    breaker.trip()
    clock.now += 0.49
    assert not breaker.begin_probe()
    clock.now += 0.02
    assert breaker.begin_probe()
    assert not breaker.begin_probe()
    assert not breaker.closed


def test_jitter_stretches_the_pause() -> None:
    clock = Clock()
    breaker = make(clock, jitter=0.9)
    breaker.trip()
    clock.now += 0.9
    assert not breaker.begin_probe()
    clock.now += 0.1
    assert breaker.begin_probe()


def test_a_good_probe_closes_it_and_a_bad_one_opens_it_again() -> None:
    clock = Clock()
    breaker = make(clock)
    breaker.trip()
    clock.now += 0.6
    assert breaker.begin_probe()
    breaker.failed()
    assert breaker.state is State.OPEN
    assert breaker.trips == 2
    clock.now += 0.6
    assert breaker.begin_probe()
    breaker.succeeded()
    assert breaker.closed


def test_a_late_answer_does_not_close_an_open_breaker() -> None:
    breaker = make(Clock())
    breaker.trip()
    breaker.succeeded()
    assert breaker.state is State.OPEN


def test_a_lost_probe_makes_room_for_another() -> None:
    clock = Clock()
    breaker = make(clock)
    breaker.trip()
    clock.now += 0.6
    assert breaker.begin_probe()
    clock.now += 0.9
    assert not breaker.begin_probe()
    clock.now += 0.2
    assert breaker.begin_probe()


STEPS = st.lists(st.sampled_from(["ok", "fail", "trip", "probe", "wait"]), max_size=60)


@given(STEPS)
def test_it_never_stays_open_for_ever_and_never_lets_two_probes_pass(steps: list[str]) -> None:
    clock = Clock()
    breaker = make(clock, jitter=0.5)
    probed_at = None
    for step in steps:
        match step:
            case "ok":
                breaker.succeeded()
            case "fail":
                breaker.failed()
            case "trip":
                breaker.trip()
            case "wait":
                clock.now += 0.3
            case "probe":
                was = breaker.state
                if breaker.begin_probe():
                    assert was is not State.CLOSED
                    assert was is not State.PROBING or probed_at is None or clock.now - probed_at >= 1.0
                    probed_at = clock.now
    clock.now += 1.5
    assert breaker.closed or breaker.begin_probe()
