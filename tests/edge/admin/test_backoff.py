"""Wrong keys have to wait, by source."""

from gateway.edge.admin.backoff import Backoff


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_ten_are_free_and_then_each_costs_twice_the_wait_up_to_a_minute() -> None:
    clock = Clock()
    backoff = Backoff(clock)
    waits = []
    for _ in range(19):
        backoff.wrong("192.0.2.1")
        waits.append(backoff.wait("192.0.2.1"))
        clock.now += waits[-1]
        assert backoff.wait("192.0.2.1") == 0
    assert waits == [*[0] * 10, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_wait_is_told_in_whole_seconds_and_counts_down() -> None:
    clock = Clock()
    backoff = Backoff(clock)
    for _ in range(13):
        backoff.wrong("192.0.2.1")
    clock.now += 1.5
    assert backoff.wait("192.0.2.1") == 3


def test_other_sources_do_not_wait() -> None:
    backoff = Backoff(Clock())
    for _ in range(14):
        backoff.wrong("2001:db8::1")
    assert backoff.wait("2001:db8::ffff:1") > 0  # the same /64
    assert backoff.wait("2001:db8:0:1::1") == backoff.wait("192.0.2.1") == backoff.wait("") == 0


def test_an_address_in_its_ipv6_form_is_the_same_source() -> None:
    backoff = Backoff(Clock())
    for _ in range(14):
        backoff.wrong("::ffff:192.0.2.1")
    assert backoff.wait("192.0.2.1") > 0


def test_quiet_sources_are_forgotten() -> None:
    clock = Clock()
    backoff = Backoff(clock)
    assert [backoff.wrong("a") for _ in range(12)][-1] == 2
    clock.now += 901
    assert backoff.wrong("a") == 0


def test_only_so_many_sources_are_known() -> None:
    backoff = Backoff(Clock())
    for _ in range(14):
        backoff.wrong("first")
    for number in range(10_000):
        backoff.wrong(str(number))
    assert backoff.wait("first") == 0
