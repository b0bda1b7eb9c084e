"""settle: always, once. Turns an exchange into vitals; nothing it does may fail the exchange or wait."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from gateway.model.agent import Agent
from gateway.model.answer import Answer, Usage
from gateway.model.errors import ClientGone, Refusal
from gateway.model.exchange import Exchange
from gateway.model.vitals import Vitals
from gateway.phases.profile import Profile
from gateway.pricing.calibration import Calibration
from gateway.pricing.price import Price
from gateway.upstream.breaker import Breaker, outcome_of

log = logging.getLogger(__name__)


class Sightings(Protocol):
    """Where agents and totals are counted."""

    def seen(
        self, agent: Agent, vitals: Vitals, *, client: str | None, address: str, tools: tuple[str, ...], ok: bool
    ) -> None: ...


Pricing = Callable[[str | None, str | None], Price | None]
"""The price of a model at a provider."""

Observer = Callable[[Exchange, Vitals], None]
"""Told of every exchange of a known agent once it is over, in memory; must neither wait nor raise."""


class Settle:
    """Records how an exchange ended.

    Args:
        sightings: takes one line per exchange, in memory.
        observers: told in order, after `sightings`; one that fails keeps none of the others from hearing.
        breaker: learns how the provider did.
        clock: monotonic seconds. wall_clock: seconds since the epoch.
        price: what a provider's model costs.
        calibration: learns from what providers count, estimates where they do not.
    """

    def __init__(
        self,
        sightings: Sightings,
        breaker: Breaker,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        observers: Sequence[Observer] = (),
        price: Pricing = lambda provider, model: None,
        calibration: Calibration | None = None,
    ) -> None:
        self._sightings = sightings
        self._breaker = breaker
        self._clock = clock
        self._wall_clock = wall_clock
        self._observers = tuple(observers)
        self._price = price
        self._calibration = calibration or Calibration()

    def __call__(self, exchange: Exchange) -> None:
        exchange.settled = True
        agent = exchange.agent
        if agent is None:
            return
        answered = exchange.first_byte_at is not None
        if exchange.breaker_key is not None:
            outcome = outcome_of(exchange.status if answered else None, exchange.failure)
            self._breaker.record(exchange.breaker_key, agent.agent_id, outcome, self._clock())
        vitals = self._vitals(exchange, agent)
        ask = exchange.ask
        self._sightings.seen(
            agent,
            vitals,
            client=exchange.request.header(b"user-agent"),
            address=exchange.request.client,
            tools=tuple([tool.name for tool in ask.tools]) if ask is not None and ask.tools else (),
            ok=answered and 200 <= exchange.status < 300,
        )
        for observe in self._observers:
            try:
                observe(exchange, vitals)
            except Exception:  # broad: what is counted may never fail what was answered
                log.exception("%s: an observer failed", exchange.id)

    def _vitals(self, exchange: Exchange, agent: Agent) -> Vitals:
        answer = exchange.answer or (Answer() if _was_cut(exchange) else None)
        usage, estimated = self._usage(exchange, answer)
        profile = exchange.profile or _NO_PROFILE
        reported = profile.reported
        names = tuple(call.name for calls in answer.calls.values() for call in calls) if answer and answer.calls else ()
        used = usage or _NO_USAGE
        # By place: so many names take longer to sort out than all else here.
        return Vitals(
            agent.agent_id,
            exchange.id,
            self._wall_clock(),
            exchange.route.dialect,
            exchange.provider,
            exchange.model,
            exchange.streaming,
            exchange.status,
            (self._clock() - exchange.started) * 1000,  # latency_ms
            None if exchange.failure is None else _error_type(exchange.failure),
            _ttft(exchange),
            used.input_tokens,
            used.output_tokens,
            used.cached_tokens,
            used.reasoning_tokens,
            estimated,
            len(names),
            names,
            reported[0],  # tool_errors
            reported[1],  # repeated_calls
            len(exchange.denied),
            profile.retries,
            answer.finish_reason if answer else None,
            self._cost(exchange, usage, answer.service_tier if answer else None),
            profile.prompt_hash,
            profile.tools_hash,
            profile.conversation,
            profile.turn,
        )

    def _usage(self, exchange: Exchange, answer: Answer | None) -> tuple[Usage | None, bool]:
        """What was used, and whether that is an estimate: the provider did not say, or the caller left before."""
        if answer is None:
            return None, False
        usage = answer.usage if answer.usage is not None and _credible(answer.usage) else None
        if usage is not None and (exchange.failure is None or answer.finish_reason is not None):
            if exchange.model is not None:
                self._calibration.learn(exchange.model, exchange.plain_size, answer.text_chars, usage)
            return usage, False
        guess = self._calibration.estimate(exchange.model, exchange.plain_size, answer.text_chars)
        if usage is None:
            return guess, True
        # Cut off: what a provider says of its output at the beginning is not yet what it produced.
        reasoning = max(usage.reasoning_tokens, guess.reasoning_tokens)
        return replace(
            usage, output_tokens=max(usage.output_tokens, guess.output_tokens), reasoning_tokens=reasoning
        ), True

    def _cost(self, exchange: Exchange, usage: Usage | None, service_tier: str | None) -> float | None:
        """USD; nothing where no provider was asked, None where the model has no price."""
        if usage is None:
            return 0.0 if exchange.ask is not None else None
        price = self._price(exchange.provider, exchange.model)
        return None if price is None else price.at(service_tier).cost(usage) / 1e9


_NO_PROFILE = Profile("")
_NO_USAGE = Usage(0, 0)
_MOST_TOKENS = 10**9


def _credible(usage: Usage) -> bool:
    """Whether it can be a count of tokens: a provider's mistake must neither empty a budget nor refill one."""
    return 0 <= usage.input_tokens <= _MOST_TOKENS and 0 <= usage.output_tokens <= _MOST_TOKENS


def _ttft(exchange: Exchange) -> float | None:
    """Milliseconds to the first content; an answer that comes whole has it with its first byte."""
    first = exchange.first_content_at if exchange.streaming else exchange.first_byte_at
    return None if first is None else (first - exchange.started) * 1000


def _error_type(failure: Refusal | ClientGone) -> str:
    return failure.code if isinstance(failure, Refusal) else "client_gone"


def _was_cut(exchange: Exchange) -> bool:
    """Whether the exchange was ended from outside while a provider worked at it, which is not free of charge."""
    return exchange.ask is not None and exchange.breaker_key is not None and exchange.interruption is not None
