"""What follows from a verdict."""

import pytest

from gateway.policy.clauses import OnDeny
from gateway.policy.verdict import Verdict


@pytest.mark.parametrize(
    ("verdict", "asks"),
    [
        (Verdict(True, ""), False),
        (Verdict(True, "", on_deny=OnDeny("hold")), False),
        (Verdict(True, "", approval=True), True),
        (Verdict(False, ""), False),
        (Verdict(False, "", approval=True), False),
        (Verdict(False, "", on_deny=OnDeny("error")), False),
        (Verdict(False, "", on_deny=OnDeny("hold")), True),
    ],
)
def test_a_person_is_asked_where_a_rule_says_so_and_not_where_none_may_lift_it(verdict: Verdict, asks: bool) -> None:
    assert verdict.asks is asks
