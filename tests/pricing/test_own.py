"""The operator's own prices."""

import re

import pytest

from gateway.pricing.own import NONE, read_prices
from gateway.pricing.price import Price, Rates

FILE = {
    "models": {"My-Model": {"input": 0.5, "output": 2}, "my-*": {"input": 9}},
    "providers": {"azure": {"gpt-4o*": {"input": 2.2, "output": 8.8, "cached": 1.1, "cache_write": 3, "request": 5}}},
}


def test_figures_are_dollars_a_million_tokens_and_left_out_ones_cost_like_their_kind() -> None:
    own = read_prices(FILE)
    assert own.price("any", "my-model") == Price(Rates(500_000, 2_000_000, 500_000, 500_000, 500_000, 2_000_000))
    assert own.price("azure", "gpt-4o-mini") == Price(
        Rates(2_200_000, 8_800_000, 1_100_000, 3_000_000, 3_000_000, 8_800_000, 5_000_000)
    )


def test_a_name_goes_before_a_pattern_and_a_provider_before_everybody() -> None:
    own = read_prices({**FILE, "providers": {"x": {"my-model": {"input": 1}}}})
    inputs = [
        price and price.base.input
        for price in (own.price("y", "my-model"), own.price("y", "MY-other"), own.price("x", "my-model"))
    ]
    assert inputs == [500_000, 9_000_000, 1_000_000]
    assert own.price("y", "gpt-4o") is None


@pytest.mark.parametrize("empty", [None, {}, {"models": None, "providers": {}}])
def test_an_empty_file_prices_nothing(empty: object) -> None:
    assert read_prices(empty) == NONE


WRONG = [
    ([], "the file is a list"),
    ({"model": {}}, "'model' is not known here; allowed: models, providers"),
    ({"models": {"m": 3}}, "models.m is a int"),
    ({"models": {"m": {"output": 3}}}, "models.m lacks `input`"),
    ({"models": {"m": {"input": 1, "inputs": 1}}}, "models.m.inputs is not known; allowed: input, output"),
    ({"providers": {"p": {"m": {"input": -1}}}}, "providers.p.m.input is -1; allowed: USD, from 0"),
    ({"models": {"m": {"input": True}}}, "models.m.input is True"),
    ({"models": {"m": {"input": float("nan")}}}, "models.m.input is nan"),
]


@pytest.mark.parametrize(("document", "message"), WRONG)
def test_a_wrong_file_is_refused_with_the_place_and_what_is_allowed(document: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        read_prices(document)
