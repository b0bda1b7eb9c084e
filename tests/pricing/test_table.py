"""Which price holds."""

import pytest

from gateway.pricing.own import read_prices
from gateway.pricing.price import FREE
from gateway.pricing.table import Prices

URLS = {"default": "http://127.0.0.1:9", "claude": "https://api.anthropic.com", "azure": "https://x.openai.azure.com"}
NOW = 1_795_000_000.0


def _prices(own: object = None, clock: list[float] | None = None) -> Prices:
    now = clock or [NOW]
    return Prices(URLS.get, clock=lambda: now[0], own=read_prices(own))


def _input(prices: Prices, provider: str | None, model: str | None) -> int | None:
    price = prices.price(provider, model)
    return None if price is None else price.base.input


def test_the_seller_is_found_by_the_providers_address_and_else_by_the_model() -> None:
    prices = _prices()
    assert _input(prices, "claude", "claude-sonnet-4-5") == 3_000_000
    assert _input(prices, "azure", "gpt-4o") == _input(prices, "default", "gpt-4o") == 2_500_000
    assert _input(prices, "claude", "gpt-4o") == 2_500_000


def test_nobody_named_a_price() -> None:
    prices = _prices()
    assert [prices.price(*of) for of in (("default", "m"), (None, "gpt-4o"), ("default", None))] == [None] * 3


def test_the_operators_own_price_goes_first_also_for_the_stub_models() -> None:
    own = {"models": {"gpt-4o": {"input": 1}, "stub-tool": {"input": 7}}}
    prices = _prices(own)
    assert (_input(prices, "default", "gpt-4o"), _input(prices, "stub", "stub-tool")) == (1_000_000, 7_000_000)
    assert prices.price("stub", "stub-echo") is FREE


@pytest.mark.exhaustive
def test_made_up_models_fill_no_memory() -> None:
    prices = _prices()
    for number in range(5000):
        prices.price("default", f"made-up-{number}")
    assert len(prices._known) <= 4096


def test_prices_that_change_with_time_are_looked_up_again() -> None:
    clock = [1_746_000_000.0]  # o3 became cheaper on 2025-06-10
    prices = _prices(clock=clock)
    before = _input(prices, "default", "o3")
    clock[0] = NOW
    assert (before, _input(prices, "default", "o3")) == (10_000_000, 2_000_000)


def test_new_prices_hold_once_the_old_ones_are_forgotten() -> None:
    prices = _prices()
    assert _input(prices, "default", "m") is None
    prices.own = read_prices({"models": {"m": {"input": 1}}})
    prices.forget()
    assert _input(prices, "default", "m") == 1_000_000
