"""The prices that come with the gateway: the published ones that the package genai-prices collects.

https://github.com/pydantic/genai-prices. Only its data are used; it is never asked to fetch newer ones.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from genai_prices.data import providers
from genai_prices.data_snapshot import find_provider_by_id
from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

from gateway.pricing.price import Price, Rates

_PICO = 1_000_000  # USD per million tokens in picodollars a token, and USD per thousand in nanodollars each


def vendor(name: str, url: str | None) -> Provider | None:
    """Who sells under this URL, else under this name of a provider; None if it is nobody that is known."""
    if url is not None:
        for known in providers:
            if re.match(known.api_pattern, url):
                return known
    return find_provider_by_id(providers, name)


def published(seller: Provider | None, model: str, at: datetime) -> Price | None:
    """What this model costs at that time; without a seller, at the one whose own model it is."""
    for one in (seller,) if seller is not None else _makers(model.lower()):
        found = one.find_model(model, all_providers=providers)
        if found is not None:
            return _with_services(found, at)
    return None


def _makers(model: str) -> Iterator[Provider]:
    """Whose name of a model this looks like; then the vendors whose APIs are spoken here."""
    yield from (known for known in providers if known.model_match is not None and known.model_match.is_match(model))
    yield from (known for known in providers if known.id in ("openai", "anthropic"))


def _with_services(model: ModelInfo, at: datetime) -> Price | None:
    price = _flat(model.get_prices(at))
    if price is None:
        return None
    names = {v.when["service_tier"] for v in model.price_variants or () if v.when.keys() == {"service_tier"}}
    apart = [(name, _flat(model.get_prices(at, {"service_tier": name}))) for name in sorted(names)]
    return replace(price, services=tuple((name, one) for name, one in apart if one is not None and one != price))


def _flat(prices: ModelPrice) -> Price | None:
    if prices.input_mtok is None and prices.output_mtok is None:
        return None  # sold by the hour, the page or the character
    tiered = [value for value in vars(prices).values() if isinstance(value, TieredPrices)]
    starts = sorted({tier.start for value in tiered for tier in value.tiers})
    return Price(_rates(prices, 0), tuple((start, _rates(prices, start + 1)) for start in starts))


def _rates(prices: ModelPrice, input_tokens: int) -> Rates:
    def pico(*names: str) -> int:
        """The first of these prices that there is: what has none of its own costs as much as its kind."""
        for name in names:
            value = getattr(prices, name)
            if value is not None:
                return _integer(value, input_tokens)
        return 0

    return Rates(
        input=pico("input_mtok"),
        output=pico("output_mtok"),
        cached=pico("cache_read_mtok", "input_mtok"),
        cache_write=pico("cache_write_mtok", "input_mtok"),
        cache_write_hour=pico("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
        reasoning=pico("output_reasoning_mtok", "output_mtok"),
        request=pico("requests_kcount"),
    )


def _integer(value: object, input_tokens: int) -> int:
    if isinstance(value, TieredPrices):
        applicable = value.base
        for tier in value.tiers:
            if input_tokens > tier.start:
                applicable = tier.price
        value = applicable
    assert isinstance(value, Decimal)
    return int((value * _PICO).to_integral_value())
