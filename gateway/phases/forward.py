"""forward: which provider, with what credential and headers; opens the answer."""

from collections.abc import Callable, Mapping

from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.phases.timeouts import Timeouts
from gateway.upstream.breaker import Breaker
from gateway.upstream.credentials import outgoing_credential
from gateway.upstream.headers import request_headers
from gateway.upstream.providers import Provider, Providers
from gateway.upstream.reply import Opener, Reply


class Forward:
    """Opens the provider's answer.

    Args:
        openers: who speaks to a provider, by the provider's name; `default` for all others.
        breaker: closes a provider that fails; outcomes are recorded by `record` when the exchange is over.
    """

    def __init__(
        self,
        providers: Providers,
        openers: Mapping[str, Opener],
        default: Opener,
        breaker: Breaker,
        timeouts: Timeouts,
        clock: Callable[[], float],
    ) -> None:
        self._providers = providers
        self._openers = openers
        self._default = default
        self._breaker = breaker
        self._timeouts = timeouts
        self._clock = clock
