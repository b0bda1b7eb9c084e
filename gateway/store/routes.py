"""Which provider an agent's requests go to, where an operator chose one; on every replica alike."""

import contextlib
from typing import Any

from gateway.store.control import Control
from gateway.store.errors import StoreUnavailable

MOST = 10_000
_KIND = "route"
_ACKNOWLEDGED_WITHIN = 1.0


class Routes:
    """Kept in the control state; asked in memory."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._known: dict[str, str] = {}
        control.on(_KIND, self._learn)

    def provider_of(self, agent_id: str) -> str | None:
        return self._known.get(agent_id)

    def to(self, provider: str) -> int:
        """How many agents are routed to it."""
        return sum(1 for name in self._known.values() if name == provider)

    def page(self, limit: int, after: str = "") -> list[tuple[str, str]]:
        """(agent, provider) in the order of agents, behind the agent `after`."""
        return sorted(item for item in self._known.items() if item[0] > after)[:limit]

    def full(self, agent_id: str) -> bool:
        """Whether there is no room for a route of this agent."""
        return len(self._known) >= MOST and agent_id not in self._known

    async def put(self, agent_id: str, provider: str) -> None:
        """On every replica within a second. Raises StoreUnavailable."""
        await self._change(agent_id, {"provider": provider})

    async def drop(self, agent_id: str) -> None:
        """Nothing happens if there is none. Raises StoreUnavailable."""
        if agent_id in self._known:
            await self._change(agent_id, {})

    async def _change(self, agent_id: str, data: dict[str, Any]) -> None:
        epoch = await self._control.change(_KIND, agent_id, data)
        with contextlib.suppress(StoreUnavailable):  # it is written; who has not heard of it polls
            await self._control.acknowledged(epoch, _ACKNOWLEDGED_WITHIN)

    def _learn(self, agent_id: str, data: dict[str, Any], epoch: int) -> None:
        if data:
            self._known[agent_id] = data["provider"]
        else:
            self._known.pop(agent_id, None)
