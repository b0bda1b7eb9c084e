"""How providers did lately."""

from gateway.upstream.health import WINDOW, RecentCalls


def add(calls: RecentCalls, at: float, latency_ms: float, *, failed: bool = False, limited: bool = False) -> None:
    calls.add("acme", at, latency_ms, latency_ms / 2, failed=failed, limited=limited)


def test_failures_are_counted_and_do_not_make_a_provider_fast() -> None:
    calls = RecentCalls()
    for latency_ms in (100.0, 300.0, 200.0):
        add(calls, 0.0, latency_ms)
    add(calls, 1.0, 1.0, failed=True)
    add(calls, 1.0, 1.0, limited=True)
    assert calls.read(2.0) == {
        "acme": {"calls": 5, "failed": 1, "limited": 1, "latency_ms": 200.0, "first_byte_ms": 100.0}
    }


def test_what_was_long_ago_says_nothing() -> None:
    calls = RecentCalls()
    add(calls, 0.0, 1.0, failed=True)
    assert calls.read(WINDOW) == {}
    add(calls, WINDOW, 7.0)
    assert calls.read(WINDOW)["acme"]["calls"] == 1


def test_without_an_answer_there_is_no_latency() -> None:
    calls = RecentCalls()
    add(calls, 0.0, 30_000.0, failed=True)
    assert calls.read(1.0)["acme"]["latency_ms"] is None


def test_what_is_kept_is_bounded() -> None:
    calls = RecentCalls()
    for number in range(1000):
        add(calls, 0.0, 1.0)
        calls.add(f"p{number}", 0.0, 1.0, None, failed=False, limited=False)
    found = calls.read(1.0)
    assert len(found) == 200 and found["acme"]["calls"] == 500
