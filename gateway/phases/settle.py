"""settle: always, once. Turns an exchange into vitals; nothing it does may fail the exchange or wait."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.model.agent import Agent
from gateway.model.answer import Answer, Usage
from gateway.model.errors import ClientGone, Refusal
from gateway.model.exchange import Exchange
from gateway.model.vitals import Vitals
from gateway.upstream.breaker import Breaker, outcome_of

log = logging.getLogger(__name__)

_CHARS_PER_TOKEN = 4


class Sightings(Protocol):
    """Where agents and totals are counted."""

    def seen(self, agent: Agent, vitals: Vitals, *, client: str | None, tools: tuple[str, ...], ok: bool) -> None: ...


Observer = Callable[[Exchange, Vitals], None]
"""Told of every exchange of a known agent once it is over, in memory; must neither wait nor raise."""


class Settle:
    """Records how an exchange ended.

    Args:
        sightings: takes one line per exchange, in memory.
        observers: told in order, after `sightings`; one that fails keeps none of the others from hearing.
        breaker: learns how the provider did.
        clock: monotonic seconds. wall_clock: seconds since the epoch.
    """

    def __init__(
        self,
        sightings: Sightings,
        breaker: Breaker,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        observers: Sequence[Observer] = (),
    ) -> None:
        self._sightings = sightings
        self._breaker = breaker
        self._clock = clock
        self._wall_clock = wall_clock
        self._observers = tuple(observers)

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
            tools=tuple(tool.name for tool in ask.tools) if ask and ask.tools else (),
            ok=answered and 200 <= exchange.status < 300,
        )
        for observe in self._observers:
            try:
                observe(exchange, vitals)
            except Exception:  # broad: what is counted may never fail what was answered
                log.exception("%s: an observer failed", exchange.id)

    def _vitals(self, exchange: Exchange, agent: Agent) -> Vitals:
        now = self._clock()
        answer = exchange.answer or (Answer() if _was_cut(exchange) else None)
        usage = answer.usage if answer else None
        estimated = usage is None and answer is not None
        if usage is None and answer is not None:
            usage = _estimate(exchange, answer)
        first = exchange.first_byte_at
        names = tuple(call.name for calls in answer.calls.values() for call in calls) if answer and answer.calls else ()
        return Vitals(
            agent_id=agent.agent_id,
            request_id=exchange.id,
            time=self._wall_clock(),
            dialect=exchange.route.dialect,
            provider=exchange.provider,
            model=exchange.model,
            stream=exchange.streaming,
            status=exchange.status,
            latency_ms=(now - exchange.started) * 1000,
            error_type=_error_type(exchange.failure),
            ttft_ms=None if first is None else (first - exchange.started) * 1000,
            input_tokens=usage.input_tokens if usage else 0,
            output_tokens=usage.output_tokens if usage else 0,
            cached_tokens=usage.cached_tokens if usage else 0,
            reasoning_tokens=usage.reasoning_tokens if usage else 0,
            usage_estimated=estimated,
            tool_calls=len(names),
            tool_names=names,
            denied_calls=len(exchange.denied),
            retries=_retries(exchange.request.fields.get(b"x-stainless-retry-count")),
            finish_reason=answer.finish_reason if answer else None,
        )


def _error_type(failure: Refusal | ClientGone | None) -> str | None:
    if failure is None:
        return None
    return failure.code if isinstance(failure, Refusal) else "client_gone"


def _retries(count: bytes | None) -> int:
    return int(count) if count is not None and count.isdigit() and len(count) < 4 else 0


def _was_cut(exchange: Exchange) -> bool:
    """Whether the exchange was ended from outside while a provider worked at it, which is not free of charge."""
    return exchange.ask is not None and exchange.breaker_key is not None and exchange.interruption is not None


def _estimate(exchange: Exchange, answer: Answer) -> Usage:
    """What was probably used where the provider did not say, or the caller left before it could; never nothing."""
    return Usage(
        input_tokens=max(1, exchange.plain_size // _CHARS_PER_TOKEN),
        output_tokens=max(1, answer.text_chars // _CHARS_PER_TOKEN),
    )
