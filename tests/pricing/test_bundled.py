"""The published prices, against the package's own calculation of them."""

from datetime import UTC, datetime

import genai_prices
import pytest
from genai_prices.data import providers

from gateway.model.answer import Usage
from gateway.pricing.bundled import published, vendor

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
BY_ID = {provider.id: provider for provider in providers}
MODELS = [(seller, model.id) for seller in ("openai", "anthropic", "azure", "google") for model in BY_ID[seller].models]


@pytest.mark.parametrize("tokens", [1_000, 250_000])
def test_every_model_of_the_large_vendors_costs_what_the_package_says(tokens: int) -> None:
    compared = 0
    for seller, model in MODELS:
        price = published(BY_ID[seller], model, AT)
        if price is None:
            continue
        usage = genai_prices.Usage(input_tokens=tokens, output_tokens=777, cache_read_tokens=tokens // 5)
        expected = genai_prices.calc_price(usage, model, provider_id=seller, genai_request_timestamp=AT).total_price
        assert price.cost(Usage(tokens, 777, cached_tokens=tokens // 5)) == pytest.approx(
            float(expected) * 1e9, abs=1
        ), model
        compared += 1
    assert compared > 150


def test_cache_writes_cost_what_the_package_says() -> None:
    price = published(BY_ID["anthropic"], "claude-sonnet-4-5", AT)
    usage = genai_prices.Usage(
        input_tokens=9_000,
        output_tokens=50,
        cache_read_tokens=2_000,
        cache_write_tokens=3_000,
        cache_write_1h_tokens=1_000,
    )
    expected = genai_prices.calc_price(usage, "claude-sonnet-4-5", provider_id="anthropic").total_price
    ours = Usage(9_000, 50, cached_tokens=2_000, cache_write_tokens=3_000, cache_write_hour_tokens=1_000)
    assert price is not None and price.cost(ours) == int(expected * 10**9)


def test_a_seller_is_known_by_its_address_before_its_name() -> None:
    found = [vendor(*known) for known in (("mine", "https://api.anthropic.com"), ("groq", "http://10.0.0.1"))]
    assert [seller and seller.id for seller in found] == ["anthropic", "groq"]
    assert vendor("mine", "http://127.0.0.1:9") is None


def test_without_a_seller_a_model_costs_what_its_maker_asks() -> None:
    assert published(None, "gpt-4o", AT) == published(BY_ID["openai"], "gpt-4o", AT)
    assert published(None, "Claude-Sonnet-4-5-20250929", AT) == published(BY_ID["anthropic"], "claude-sonnet-4-5", AT)
    assert published(None, "text-embedding-3-small", AT) == published(BY_ID["openai"], "text-embedding-3-small", AT)
    assert published(None, "nobody-knows-it", AT) is None


@pytest.mark.parametrize("tier", ["flex", "priority", "default", "auto", "made-up"])
def test_other_tiers_of_service_cost_what_the_package_says(tier: str) -> None:
    usage = genai_prices.Usage(input_tokens=1000, output_tokens=100)
    context = {"service_tier": tier}
    expected = genai_prices.calc_price(
        usage, "o3", provider_id="openai", genai_request_timestamp=AT, price_context=context
    ).total_price
    price = published(BY_ID["openai"], "o3", AT)
    assert price is not None and price.at(tier).cost(Usage(1000, 100)) == int(expected * 10**9)


def test_what_is_not_sold_by_the_token_has_no_price() -> None:
    assert published(BY_ID["groq"], "whisper-large-v3", AT) is None


def test_a_price_that_begins_on_a_day_holds_from_that_day() -> None:
    o3 = [published(BY_ID["openai"], "o3", datetime(2025, month, 1, tzinfo=UTC)) for month in (5, 7)]
    assert [price and price.base.input for price in o3] == [10_000_000, 2_000_000]
