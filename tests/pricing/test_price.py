"""What tokens cost, to the nanodollar."""

from gateway.model.answer import Usage
from gateway.pricing.price import FREE, Price, Rates

GPT = Price(Rates(input=2_500_000, output=10_000_000, cached=1_250_000, cache_write=2_500_000, reasoning=10_000_000))


def test_input_and_output_are_paid_by_the_token() -> None:
    assert GPT.cost(Usage(1000, 100)) == 3_500_000


def test_cached_tokens_are_paid_at_their_own_rate_and_not_twice() -> None:
    assert GPT.cost(Usage(1000, 0, cached_tokens=400)) == 600 * 2500 + 400 * 1250


def test_cache_writes_are_paid_by_how_long_they_last() -> None:
    claude = Price(Rates(input=3_000_000, cached=300_000, cache_write=3_750_000, cache_write_hour=6_000_000))
    usage = Usage(1000, 0, cached_tokens=100, cache_write_tokens=300, cache_write_hour_tokens=200)
    assert claude.cost(usage) == 600 * 3000 + 100 * 300 + 100 * 3750 + 200 * 6000


def test_reasoning_is_a_part_of_the_output() -> None:
    price = Price(Rates(output=1_000_000, reasoning=3_000_000))
    assert price.cost(Usage(0, 100, reasoning_tokens=60)) == 40 * 1000 + 60 * 3000


def test_above_a_tier_its_rates_hold_for_all_tokens() -> None:
    price = Price(Rates(input=1_000_000), ((200_000, Rates(input=2_000_000)), (400_000, Rates(input=4_000_000))))
    costs = [price.cost(Usage(tokens, 0)) for tokens in (200_000, 200_001, 400_001)]
    assert costs == [200_000_000, 400_002_000, 1_600_004_000]


def test_parts_larger_than_their_whole_are_never_paid_back() -> None:
    assert GPT.cost(Usage(10, 10, cached_tokens=50, reasoning_tokens=50, cache_write_tokens=50)) == 12_500 + 100_000


def test_less_than_a_nanodollar_is_rounded_and_a_request_may_cost_by_itself() -> None:
    assert [Price(Rates(input=rate)).cost(Usage(1, 0)) for rate in (499, 500)] == [0, 1]
    assert Price(Rates(request=5_000_000)).cost(Usage(0, 0)) == 5_000_000
    assert FREE.cost(Usage(10**9, 10**9)) == 0
