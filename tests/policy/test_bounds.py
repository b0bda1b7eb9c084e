from gateway.policy.bounds import BUDGETS, LIMITS, Bound


def test_money_is_shown_as_it_was_written() -> None:
    assert Bound("usd_per_day", BUDGETS["usd_per_day"], 12_500_000_000, True).shown == "12.5 USD"
    assert Bound("concurrent", LIMITS["concurrent"], 8, False).shown == "8"
