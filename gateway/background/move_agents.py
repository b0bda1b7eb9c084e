"""Moves agents in their lifecycle, and tells of it."""

from collections.abc import Callable

from gateway.background.tell_of_agents import TellOfAgents
from gateway.model.lifecycle import Life
from gateway.store.quarantine import Quarantine


class MoveAgents:
    """Of agents that are blocked, were, or are about to be."""

    def __init__(self, quarantine: Quarantine, tell: TellOfAgents) -> None:
        self._quarantine = quarantine
        self._tell = tell

    def of(self, agent_id: str) -> Life | None:
        """Where an agent is in its lifecycle; None if it was never blocked."""
        return self._quarantine.of(agent_id)

    def blocked(self) -> list[Life]:
        return list(self._quarantine.blocked.values())

    async def move(self, agent_id: str, step: Callable[[Life], Life], base: Life | None = None) -> Life:
        """As `Quarantine.change`, but for the epoch."""
        before = base or Life(agent_id)

        def noted(life: Life) -> Life:
            nonlocal before
            before = life
            return step(life)

        after, _ = await self._quarantine.change(agent_id, noted, base)
        self._tell.moved(before, after)
        return after
