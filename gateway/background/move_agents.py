"""Moves agents in their lifecycle, and tells of it.

What was never blocked is nobody else's business: such a life is kept by whoever watches the agent, and moves there.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.background.tell_of_agents import TellOfAgents
from gateway.model.lifecycle import Life
from gateway.store.quarantine import Quarantine


class MoveAgents:
    """For all moves but those of operators and of time."""

    def __init__(self, quarantine: Quarantine, tell: TellOfAgents) -> None:
        self._quarantine = quarantine
        self._tell = tell

    def of(self, agent_id: str) -> Life | None:
        """Where an agent is in its lifecycle; None if it was never blocked."""
        return self._quarantine.of(agent_id)

    def blocked(self) -> list[Life]:
        return list(self._quarantine.blocked.values())

    async def move(self, agent_id: str, step: Callable[[Life], Life], base: Life | None = None) -> Life:
        """Its life from then on. Raises StoreUnavailable, and what the step raises.

        Args:
            step: may be asked again, of the life as somebody else has left it.
            base: its life so far, if it was never blocked.
        """
        async with self.moving(agent_id, step, base) as after:
            return after

    @asynccontextmanager
    async def moving(
        self, agent_id: str, step: Callable[[Life], Life], base: Life | None = None
    ) -> AsyncIterator[Life]:
        """As `move`, but told after what is done meanwhile: people hear of the incident first, then of the move."""
        before = base or Life(agent_id)

        def noted(life: Life) -> Life:
            nonlocal before
            before = life
            return step(life)

        after = step(before) if self._quarantine.of(agent_id) is None else None
        if after is None or after.blocked:
            after, _ = await self._quarantine.change(agent_id, noted, base)
        try:
            yield after
        finally:  # it has moved, whatever became of the rest
            self._tell.moved(before, after)
