from gateway.policy.bounds import LIMITS, Bound
from gateway.policy.claim import Claim
from gateway.policy.local_windows import LocalWindows


def claim(name: str, most: int, base: float = 1, who: str = "s") -> Claim:
    return Claim(Bound(name, LIMITS[name], most, False), who, "d", base)


def passed(windows: LocalWindows, one: Claim, times: int, *, replicas: int, now: float = 0) -> int:
    return sum(windows.take([one], now, replicas=replicas) is None for _ in range(times))


def test_each_process_lets_its_share_pass_and_the_minute_slides() -> None:
    windows, rate = LocalWindows(), claim("requests_per_minute", 10)
    assert passed(windows, rate, 50, replicas=3) == 3
    assert windows.take([rate], 20, replicas=3) == (rate, 40)
    assert passed(windows, rate, 50, replicas=3, now=60) == 3


def test_a_share_is_never_less_than_one_unless_nothing_is_allowed() -> None:
    assert passed(LocalWindows(), claim("requests_per_minute", 2), 9, replicas=5) == 1
    assert passed(LocalWindows(), claim("requests_per_minute", 0), 9, replicas=5) == 0
    assert passed(LocalWindows(), claim("tokens_per_minute", 100, 90), 9, replicas=5) == 1


def test_what_has_no_room_takes_nothing_of_anything() -> None:
    windows = LocalWindows()
    rate, tokens = claim("requests_per_minute", 2), claim("tokens_per_minute", 100, 60)
    assert windows.take([rate, tokens], 0, replicas=1) is None
    assert windows.take([rate, tokens], 1, replicas=1) == (tokens, 59)
    assert windows.take([rate], 1, replicas=1) is None


def test_what_is_under_way_is_counted_until_it_is_over() -> None:
    windows, one = LocalWindows(), claim("concurrent", 2)
    assert passed(windows, one, 5, replicas=1) == 2
    windows.leave([one])
    assert passed(windows, one, 5, replicas=1) == 1
    for _ in range(5):
        windows.leave([one])
    assert windows._running == {}


def test_a_claim_of_nothing_always_fits() -> None:
    assert passed(LocalWindows(), claim("tool_calls_per_minute", 0, 0), 3, replicas=1) == 3


def test_it_does_not_grow_with_its_callers() -> None:
    windows = LocalWindows()
    for n in range(10_050):
        windows.take([claim("requests_per_minute", 1, who=f"s{n}")], 0, replicas=1)
    assert len(windows._minutes) <= 10_000


def test_a_window_is_no_larger_however_many_pass() -> None:
    windows, rate = LocalWindows(), claim("requests_per_minute", 5000)
    assert sum(windows.take([rate], now / 100, replicas=1) is None for now in range(6000)) == 5000
    (window,) = windows._minutes.values()
    assert len(window) <= 61
    assert windows.take([rate], 59.5, replicas=1) == (rate, 0.5)
    assert windows.take([rate], 60.5, replicas=1) is None
