import pytest

from gateway.phases.limit_answers import rate_headers, refusal_of, refused_headers, throttled
from gateway.policy.bounds import BUDGETS, LIMITS, Bound
from gateway.policy.claim import Claim


def claim(name: str, most: int, document: str = "ops") -> Claim:
    kind = {**LIMITS, **BUDGETS}[name]
    return Claim(Bound(name, kind, most, name in BUDGETS), "s", document, 1)


@pytest.mark.parametrize(
    ("name", "now", "says"),
    [
        ("tokens_per_day", 1_798_761_599, "It resets at 2027-01-01T00:00:00Z."),
        ("tokens_per_month", 1_798_761_599, "It resets at 2027-01-01T00:00:00Z."),
        ("tokens_per_month", 1_801_267_200, "It resets at 2027-02-01T00:00:00Z."),
        ("usd_per_month", 1_803_859_199, "It resets at 2027-03-01T00:00:00Z."),
    ],
)
def test_a_budget_says_when_its_day_or_month_is_over(name: str, now: float, says: str) -> None:
    assert refusal_of(claim(name, 100), 90, now, 0).message.endswith(says)


def test_money_is_told_in_dollars() -> None:
    message = refusal_of(claim("usd_per_day", 25_000_000_000), 24_990_000_000, 0, 0).message
    assert "usd_per_day is 25 USD (rule ops/budgets/usd_per_day), 24.99 are used" in message


def test_of_several_documents_the_tightest_is_told() -> None:
    claims = [claim("requests_per_minute", 60, "a"), claim("concurrent", 3), claim("requests_per_minute", 9, "b")]
    assert rate_headers(claims, [50, 2, 8])[:2] == [
        (b"x-ratelimit-limit-requests", b"9"),
        (b"x-ratelimit-remaining-requests", b"8"),
    ]


def test_only_rates_a_minute_have_headers() -> None:
    assert refused_headers(claim("concurrent", 3), 3, 1) == []
    assert refused_headers(claim("tokens_per_day", 3), 3, 1) == []
    assert refused_headers(claim("tokens_per_minute", 9), 7, 1.5)[1:] == [
        (b"x-ratelimit-remaining-tokens", b"2"),
        (b"x-ratelimit-reset-tokens", b"1.500s"),
    ]


@pytest.mark.parametrize(("wait", "after"), [(0, 1), (0.2, 1), (12.1, 13), (59.9, 60), (3600, 60)])
def test_nobody_is_sent_away_for_more_than_a_minute(wait: float, after: int) -> None:
    assert refusal_of(claim("requests_per_minute", 3), 3, 0, wait).retry_after == after


def test_a_throttled_agent_hears_why_and_for_how_long() -> None:
    refused = throttled(claim("concurrent", 1, "immune"), 0, "latency_spike, incident inc_1")
    assert (refused.code, refused.status, refused.retry_after) == ("rate_limit_exceeded", 429, 1)
    assert refused.message.startswith(
        "The agent is throttled: latency_spike, incident inc_1. It may make 1 request at a"
    )
    assert "(rule immune/limits/concurrent)" in refused.message
    slow = throttled(claim("requests_per_minute", 20, "immune"), 99.5, "to heal it")
    assert "20 requests a minute" in slow.message and slow.retry_after == 60
