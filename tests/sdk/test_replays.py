"""Which tokens were used before."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.sdk.replays import ReplayCache


def test_a_token_is_taken_once_while_it_lives() -> None:
    cache = ReplayCache()
    assert cache.take("a", 60, 0)
    assert not cache.take("a", 60, 60)
    assert cache.take("b", 30, 1)
    assert cache.take("a", 90, 61)  # its first life is over, and with it the token


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 9), st.floats(0, 3)), max_size=60))
def test_it_never_holds_more_than_it_may_and_takes_nothing_twice(uses: list[tuple[str, float, float]]) -> None:
    cache, now, alive = ReplayCache(3), 0.0, dict[str, float]()
    for name, life, step in uses:
        now += step
        alive = {one: end for one, end in alive.items() if end >= now}
        taken = cache.take(name, now + life, now)
        assert taken == (name not in alive and len(alive) < 3)
        if taken:
            alive[name] = now + life
        assert len(cache) <= 3
