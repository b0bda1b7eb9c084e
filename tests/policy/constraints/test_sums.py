from gateway.policy.clauses import OnDeny
from gateway.policy.verdict import Count
from tests.support.policies import Remembered, document, judge, rules, tool

MONEY = {"amount": {"type": "number", "sum_max": {"value": 100, "per": "day"}}}


def test_what_calls_add_up_to_is_counted_if_they_are_let_through() -> None:
    on = rules(document(tools=[tool("pay", arguments=MONEY)]))
    verdict = judge(on, "pay", {"amount": 40}, memory=Remembered(spent={"ops:sum:pay:amount": 60}))
    rule, reason = "ops/tools/pay/amount", "argument `amount` adds up to more than 100 a day"
    assert verdict.counts == (Count("ops:sum:pay:amount", 40.0, 100.0, "day", rule, reason),)
    denied = judge(on, "pay", {"amount": 40.1}, memory=Remembered(spent={"ops:sum:pay:amount": 60}))
    assert not denied.allowed and denied.counts == () and denied.rule == rule


def test_a_held_call_counts_too_if_a_person_lets_it_through() -> None:
    held = tool("pay", arguments=MONEY | {"to": {"const": "ada"}}, on_deny=OnDeny("hold", 60))
    verdict = judge(document(tools=[held]), "pay", {"to": "eve", "amount": 4}, memory=Remembered())
    assert not verdict.allowed and [count.amount for count in verdict.counts] == [4.0]
