"""The memory of a decision that is only tried."""

from gateway.policy.recalled import Recalled
from gateway.policy.verdict import Count

DAY = 86_400.0


def test_what_is_counted_is_an_agents_own_and_of_its_period() -> None:
    memory = Recalled()
    day, talk = Count("sum", 300, 500), Count("talk", 1, 1, "conversation")
    assert memory.of("a", "c1", DAY).count((day, talk)) is None
    assert memory.of("a", "c1", DAY + 5).count((talk,)) is talk
    assert memory.of("a", "c1", DAY + 5).count((day,)) is day
    assert memory.of("a", "c2", DAY + 5).count((talk,)) is None
    assert (memory.of("a", None, DAY + 9).spent("sum"), memory.of("a", None, 2 * DAY).spent("sum")) == (300, 0)
    assert memory.of("b", "c1", DAY).count((day, talk)) is None
    for period, later in (("hour", 3600.0), ("month", 31 * DAY)):
        one = Count(period, 1, 1, period)
        assert memory.of("a", None, 0.0).count((one,)) is None
        assert memory.of("a", None, later - 1).count((one,)) is one
        assert memory.of("a", None, later).count((one,)) is None


def test_of_several_counts_all_or_none_are_counted() -> None:
    memory = Recalled()
    full = Count("full", 2, 1)
    assert memory.of("a", None, 5.0).count((Count("other", 1), full)) is full
    assert memory.of("a", None, 5.0).spent("other") == 0


def test_when_something_was_counted_last_is_known() -> None:
    memory = Recalled()
    assert memory.of("a", None, 5.0).last("read") is None
    memory.of("a", None, 7.0).count((Count("read"),))
    assert memory.of("a", "c", 9.0).last("read") == 7.0 and not memory.of("a", None, 9.0).tainted("x")
