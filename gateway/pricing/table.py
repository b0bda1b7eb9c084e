"""Looks prices up: the operator's own first, then the published ones."""

from collections.abc import Callable
from datetime import UTC, datetime

from gateway.pricing.bundled import published, vendor
from gateway.pricing.own import NONE, OwnPrices
from gateway.pricing.price import FREE, Price

_KNOWN_LIMIT = 4096
_EPOCH_SECONDS = 1800
"""Some prices begin on a day, or hold at night only; all of them change on the half hour at the earliest."""
_STUB = "stub"


class Prices:
    """What models cost now. `own` may be replaced at any time, followed by `forget`.

    Args:
        url_of: the URL of a configured provider by its name; it says who sells there. None for an unknown name.
        clock: seconds since the epoch.
    """

    def __init__(
        self, url_of: Callable[[str], str | None], *, clock: Callable[[], float], own: OwnPrices = NONE
    ) -> None:
        self._url_of = url_of
        self._clock = clock
        self.own = own
        self._known: dict[tuple[str, str], Price | None] = {}
        self._epoch = 0

    def price(self, provider: str | None, model: str | None) -> Price | None:
        """The price of a model at a provider; None if nobody has said one. The stub models are free."""
        if provider is None or model is None:
            return None
        epoch = int(self._clock()) // _EPOCH_SECONDS
        if epoch != self._epoch or len(self._known) >= _KNOWN_LIMIT:  # callers name models: must not grow with them
            self.forget()
            self._epoch = epoch
        key = (provider, model)
        if key not in self._known:
            self._known[key] = self._look_up(provider, model)
        return self._known[key]

    def forget(self) -> None:
        """Look everything up anew: providers or the operator's prices have changed."""
        self._known.clear()

    def _look_up(self, provider: str, model: str) -> Price | None:
        found = self.own.price(provider, model)
        if found is not None:
            return found
        if provider == _STUB:
            return FREE
        now = datetime.fromtimestamp(self._clock(), UTC)
        seller = vendor(provider, self._url_of(provider))
        price = published(seller, model, now)
        # Behind an unknown address, or under a vendor's name that does not list it, a model costs what its maker asks.
        return price if price is not None or seller is None else published(None, model, now)
