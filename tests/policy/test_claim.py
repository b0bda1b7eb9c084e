from gateway.policy.bounds import BUDGETS, Bound
from gateway.policy.claim import Claim


def test_an_amount_is_rounded_up() -> None:
    bound = Bound("usd_per_day", BUDGETS["usd_per_day"], 100, True)
    assert Claim(bound, "s", "d", 0.5, 0.25).amount(3) == 2
    assert Claim(bound, "s", "d", 0.5, 0.25).amount(2) == 1
