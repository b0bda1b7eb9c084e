"""The price of one model, in integers, so that sums never drift."""

from dataclasses import dataclass

from gateway.model.answer import Usage


@dataclass(frozen=True, slots=True)
class Rates:
    """Picodollars a token: 2.5 USD per million tokens are 2,500,000. `request` is nanodollars a request."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    cache_write_hour: int = 0
    reasoning: int = 0
    request: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs. `tiers` are (input tokens, rates): above so many, these hold for all tokens of the request.

    They come in ascending order. `services` are prices of other tiers of service (`flex`, `priority`), by name.
    """

    base: Rates
    tiers: tuple[tuple[int, Rates], ...] = ()
    services: tuple[tuple[str, "Price"], ...] = ()

    def at(self, service_tier: str | None) -> "Price":
        """The price at this tier of service; one that is not priced apart costs the same."""
        if service_tier is not None:
            for name, price in self.services:
                if name == service_tier:
                    return price
        return self

    def rates(self, input_tokens: int) -> Rates:
        """The rates of a request with so many input tokens, cached ones included."""
        found = self.base
        for start, rates in self.tiers:
            if input_tokens > start:
                found = rates
        return found

    def cost(self, usage: Usage) -> int:
        """Nanodollars, half a one rounded up. Parts that a provider counts higher than their whole count as it."""
        rates = self.rates(usage.input_tokens)
        cached = min(usage.cached_tokens, usage.input_tokens)
        written = min(usage.cache_write_tokens, usage.input_tokens - cached)
        hour = min(usage.cache_write_hour_tokens, written)
        reasoning = min(usage.reasoning_tokens, usage.output_tokens)
        pico = (
            (usage.input_tokens - cached - written) * rates.input
            + cached * rates.cached
            + (written - hour) * rates.cache_write
            + hour * rates.cache_write_hour
            + (usage.output_tokens - reasoning) * rates.output
            + reasoning * rates.reasoning
        )
        return (pico + 500) // 1000 + rates.request


FREE = Price(Rates())
