"""forward: which provider, with what credential and headers; opens the answer.

A client can never choose where a request goes: only which of the configured providers, by name.
"""

from collections.abc import Callable, Mapping

from gateway.identity.percent import fully_decoded
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange, Request
from gateway.model.headers import Headers
from gateway.phases.model_list import ModelList
from gateway.phases.timeouts import Timeouts
from gateway.upstream.breaker import Breaker
from gateway.upstream.credential import Outgoing, outgoing_credential
from gateway.upstream.headers import holds_our_key, request_headers
from gateway.upstream.providers import STUB, Provider, Providers
from gateway.upstream.reply import Opener, Reply


class Forward:
    """Opens the provider's answer, and tells the breaker how it went.

    `providers` and `own_keys` may be replaced at any time; exchanges under way keep what they have.

    Args:
        openers: who speaks to a provider, by the provider's name; `default` for all others.
        own_keys: the gateway's own secrets, which no provider may see.
        propagate_trace: whether W3C trace context goes along.
        clock: monotonic seconds.
        model_list: lists the models while the stub models are on.
        outgoing: the last to see a provider's headers before it is asked; gives back those to send.
    """

    def __init__(
        self,
        providers: Providers,
        openers: Mapping[str, Opener],
        default: Opener,
        breaker: Breaker,
        timeouts: Timeouts,
        own_keys: tuple[bytes, ...],
        clock: Callable[[], float],
        model_list: ModelList | None = None,
        *,
        propagate_trace: bool = True,
        outgoing: Callable[[Exchange, Headers], Headers] = lambda exchange, headers: headers,
    ) -> None:
        self.providers = providers
        self._openers = openers
        self._default = default
        self._breaker = breaker
        self._timeouts = timeouts
        self.own_keys = own_keys
        self._clock = clock
        self._model_list = model_list
        self._propagate_trace = propagate_trace
        self._outgoing = outgoing

    async def __call__(self, exchange: Exchange) -> Reply:
        route, request = exchange.route, exchange.request
        if self._model_list is not None and self._model_list.answers(request.method, route):
            return await self._list_models(exchange, self._model_list)
        model = exchange.ask.model if exchange.ask else None
        provider = self._provider(exchange, route.deployment or model)
        exchange.provider = provider.name
        if route.deployment is not None and (model is None or provider.takes_deployments):
            model = route.deployment  # there the path decides, whatever the body says
        exchange.model = model
        headers = self._headers(exchange, provider)
        key = (provider.name, model or "")
        if provider.name != STUB:  # a stub model that always fails does so on purpose
            self._breaker.check(key, self._clock())
        exchange.breaker_key = key
        self._be_patient(exchange)
        opener = self._openers.get(provider.name, self._default)
        body = exchange.body
        if provider.name == STUB and exchange.ask is not None and not exchange.changed:
            body = exchange.plain  # the stub models know no content coding
        headers = self._outgoing(exchange, headers)
        exchange.forget_text()
        exchange.dispatched = True
        return await opener.open(provider, request.method, provider.path(route), request.query, headers, body)

    def _provider(self, exchange: Exchange, model: str | None) -> Provider:
        """The one that the exchange was priced at, unless others were configured meanwhile."""
        chosen: Provider | None = exchange.chosen
        if chosen is not None and self.providers.by_name.get(chosen.name) is chosen:
            return chosen
        return self.providers.choose(exchange.route, model, exchange.routed)

    async def _list_models(self, exchange: Exchange, model_list: ModelList) -> Reply:
        """Not counted by the breaker: an answer of the stub models says nothing about the provider."""
        route, request = exchange.route, exchange.request
        provider = self.providers.default_for(route)
        headers = self._headers(exchange, provider)
        exchange.provider = STUB
        self._be_patient(exchange)
        ask = self.providers.default_given
        return await model_list.open(provider, request.method, route, request.query, headers, ask=ask)

    def _headers(self, exchange: Exchange, provider: Provider) -> Headers:
        judged = exchange.route.dialect is not None
        headers = request_headers(
            exchange.request.headers,
            credential=self._credential(exchange, provider),
            judged=judged,
            keep_length=not isinstance(exchange.body, bytes),
            propagate_trace=self._propagate_trace,
        )
        if exchange.changed:  # the body is no longer the coded one that was received
            headers = [pair for pair in headers if pair[0] != b"content-encoding"]
        self._keep_own_keys(headers, exchange.request)
        return headers

    def _keep_own_keys(self, headers: Headers, request: Request) -> None:
        """Keys of ours leave in no header, no path and no query, wherever a caller put them."""
        target = request.path.encode() + b"\n" + request.query
        leaving = b"\n".join([target, *[value for _, value in headers]])
        if b"%" in leaving:  # headers too: what is not encoded in them was looked at
            target, leaving = leaving, leaving + b"\n" + (fully_decoded(leaving) or b"")
        holds = holds_our_key(target)
        for key in self.own_keys:
            holds = holds or key in leaving
        if holds:
            raise Refusal("invalid_api_key", "The request holds a key of this gateway, which no provider may see.")

    def _credential(self, exchange: Exchange, provider: Provider) -> Outgoing:
        if provider.name == STUB:
            return None
        agent = exchange.agent
        return outgoing_credential(
            provider,
            default=provider is self.providers.default_for(exchange.route),
            verified=agent is not None and agent.verified,
            credential=exchange.credential,
            secrets=self.own_keys,
        )

    def _be_patient(self, exchange: Exchange) -> None:
        now = self._clock()
        whole = exchange.ask is not None and not exchange.ask.stream
        exchange.deadline = exchange.started + (self._timeouts.whole if whole else self._timeouts.total)
        exchange.wait_for("first_byte", self._timeouts.first_byte, now)
