"""How often a request may be sent again."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.upstream.retry import RetryBudget


def test_a_quiet_gateway_may_retry_once() -> None:
    budget = RetryBudget()
    budget.request()
    assert budget.spend(100.0)
    assert not budget.spend(100.0)
    assert budget.spend(110.5)


def test_retries_are_a_share_of_the_requests() -> None:
    budget = RetryBudget(share=0.1)
    allowed = 0
    for _ in range(1000):
        budget.request()
        allowed += budget.spend(1.0)
    assert 100 <= allowed <= 102


def test_what_is_saved_up_is_bounded() -> None:
    budget = RetryBudget(most=3)
    for _ in range(1000):
        budget.request()
    assert sum(budget.spend(1.0) for _ in range(100)) == 3


@settings(max_examples=100)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5)), max_size=300))
def test_no_order_of_events_allows_more_than_the_share_the_first_and_one_in_ten_seconds(
    events: list[tuple[bool, float]],
) -> None:
    budget, now, requests, retries = RetryBudget(), 1.0, 0, 0
    for is_request, passed in events:
        now += passed
        if is_request:
            budget.request()
            requests += 1
        else:
            retries += budget.spend(now)
    assert retries <= 1 + requests * 0.1 + (now - 1.0) * 0.1 + 1e-6
