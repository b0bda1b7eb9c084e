"""The operator's own prices, which go before the published ones.

    models:                       # at every provider
      my-model: {input: 0.5, output: 2}
    providers:
      azure:                      # at this provider only
        "gpt-4o*": {input: 2.2, output: 8.8, cached: 1.1}

Figures are USD per million tokens. Where they are left out, `cached`, `cache_write` and `cache_write_hour` cost as much
as `input`, `reasoning` as much as `output`; `request` is USD per thousand requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from fnmatch import fnmatchcase

from gateway.pricing.price import Price, Rates

_PICO = 1_000_000
_MOST = 1_000_000
_FIGURES = tuple(field.name for field in fields(Rates))
_LIKE = {"cached": "input", "cache_write": "input", "cache_write_hour": "cache_write", "reasoning": "output"}

Models = Mapping[str, Price]
"""Globs of model names, lower case, in the order in which they are tried; a name without a wildcard goes first."""


@dataclass(frozen=True, slots=True)
class OwnPrices:
    """A price file, read."""

    models: Models
    providers: Mapping[str, Models]

    def price(self, provider: str, model: str) -> Price | None:
        """The provider's own entry, else the one for every provider."""
        name = model.lower()
        return _find(self.providers.get(provider, {}), name) or _find(self.models, name)


NONE = OwnPrices({}, {})


def read_prices(document: object) -> OwnPrices:
    """A price file. Raises ValueError, naming the place, its value and what is allowed."""
    if document is None:
        return NONE
    members = _mapping("the file", document)
    for key in members:
        if key not in ("models", "providers"):
            raise ValueError(f"{key!r} is not known here; allowed: models, providers")
    by_provider = _mapping("providers", members.get("providers") or {})
    return OwnPrices(
        _models("models", members.get("models") or {}),
        {name: _models(f"providers.{name}", models) for name, models in by_provider.items()},
    )


def _find(models: Models, name: str) -> Price | None:
    exact = models.get(name)
    if exact is not None:
        return exact
    return next((price for glob, price in models.items() if fnmatchcase(name, glob)), None)


def _models(where: str, value: object) -> Models:
    return {name.lower(): _price(f"{where}.{name}", price) for name, price in _mapping(where, value).items()}


def _price(where: str, value: object) -> Price:
    members = _mapping(where, value)
    for key in members:
        if key not in _FIGURES:
            raise ValueError(f"{where}.{key} is not known; allowed: {', '.join(_FIGURES)}")
    if "input" not in members:
        raise ValueError(f"{where} lacks `input`, USD per million tokens")
    rates: dict[str, int] = {}
    for name in _FIGURES:  # in an order in which what stands in for another comes first
        like = _LIKE.get(name)
        rates[name] = _figure(f"{where}.{name}", members[name]) if name in members else rates.get(like or "", 0)
    return Price(Rates(**rates))


def _figure(where: str, value: object) -> int:
    if type(value) not in (int, float) or not 0 <= value <= _MOST:  # type: ignore[operator]
        raise ValueError(f"{where} is {value!r}; allowed: USD, from 0 to {_MOST}")
    return int((Decimal(str(value)) * _PICO).to_integral_value())


def _mapping(where: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is a {type(value).__name__}; allowed: a mapping")
    return {str(key): member for key, member in value.items()}
