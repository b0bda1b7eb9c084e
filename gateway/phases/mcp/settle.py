"""settle, for MCP: always, once. Turns an exchange into vitals; nothing it does may fail the exchange or wait."""

import logging
from collections.abc import Callable, Sequence

from gateway.model.agent import Agent
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange
from gateway.model.vitals import Vitals
from gateway.phases.mcp.state import MCPState
from gateway.phases.settle import Observer, Sightings

log = logging.getLogger(__name__)


class SettleMCP:
    """Records how an exchange ended.

    Args:
        sightings: takes one line per exchange, in memory.
        observers: told in order, after `sightings`; one that fails keeps none of the others from hearing.
        clock: monotonic seconds. wall_clock: seconds since the epoch.
    """

    def __init__(
        self,
        sightings: Sightings,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        observers: Sequence[Observer] = (),
    ) -> None:
        self._sightings = sightings
        self._clock = clock
        self._wall_clock = wall_clock
        self._observers = tuple(observers)

    def __call__(self, exchange: Exchange) -> None:
        exchange.settled = True
        agent = exchange.agent
        if agent is None:
            return
        vitals = self._vitals(exchange, agent)
        if exchange.request.method == "POST" and not exchange.standing:  # else nothing is done, and none of it quickly
            self._sightings.seen(
                agent,
                vitals,
                client=exchange.request.header(b"user-agent"),
                address=exchange.request.client,
                tools=(),
                ok=exchange.first_byte_at is not None and 200 <= exchange.status < 300,
            )
        for observe in self._observers:
            try:
                observe(exchange, vitals)
            except Exception:  # broad: what is counted may never fail what was answered
                log.exception("%s: an observer failed", exchange.id)

    def _vitals(self, exchange: Exchange, agent: Agent) -> Vitals:
        state: MCPState | None = exchange.mcp
        calls = [one for one in state.calls if one.id not in state.continued] if state is not None else []
        failure, profile = exchange.failure, exchange.profile
        error = None if failure is None else failure.code if isinstance(failure, Refusal) else "client_gone"
        return Vitals(
            agent.agent_id,
            exchange.id,
            self._wall_clock(),
            exchange.route.dialect,
            exchange.provider,
            None,
            exchange.streaming,
            exchange.status,
            (self._clock() - exchange.started) * 1000,
            error,
            tool_calls=len(calls),
            tool_names=tuple([asked.call.name for asked in calls]),
            tool_errors=state.tool_errors if state is not None else 0,
            denied_calls=len(exchange.denied),
            cost_usd=0.0,
            conversation=profile.conversation if profile is not None else None,
        )
