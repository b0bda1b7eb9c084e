"""Ends drains: at once when nothing of the agent runs any more, on any replica; else when their time is over."""

import asyncio
from collections.abc import Callable

from gateway.model.lifecycle import Life
from gateway.store.control import Control
from gateway.store.errors import StoreError
from gateway.store.quarantine import KIND, Quarantine
from gateway.store.running import Running

_ASK_SECONDS = 0.25
_STILL_SECONDS = 1.0
"""So long nothing must have run: every replica has looked at its exchanges meanwhile."""


class EndDrains:
    """A duty of every replica.

    Args:
        cut: ends what is under way of an agent here. runs: whether there is something.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        quarantine: Quarantine,
        control: Control,
        running: Running,
        *,
        cut: Callable[[Life], None],
        runs: Callable[[str], bool],
        clock: Callable[[], float],
        tick: float = 0.1,
    ) -> None:
        self._quarantine = quarantine
        self._control = control
        self._running = running
        self._cut = cut
        self._runs = runs
        self._clock = clock
        self._tick = tick
        self._still: dict[str, float] = {}
        self._asked = float("-inf")

    async def run(self) -> None:
        """For ever; what cannot be said for want of Redis is said later."""
        while True:
            await asyncio.sleep(self._tick)
            over = self._quarantine.drain_over()
            for life in over:
                self._cut(life)
            try:
                for life in over:
                    await self._quarantine.drained(life.agent_id)
                await self._end_early()
            except StoreError:
                continue

    async def _end_early(self) -> None:
        draining = [life for life in self._quarantine.blocked.values() if life.state == "DRAINING"]
        now = self._clock()
        if not draining:
            self._still.clear()
        if not draining or now - self._asked < _ASK_SECONDS:
            return
        self._asked = now
        for life in draining:
            some = await self._running.tell(life.agent_id, self._runs(life.agent_id))
            if some or not await self._all_know(life):
                self._still.pop(life.agent_id, None)
            elif now - self._still.setdefault(life.agent_id, now) >= _STILL_SECONDS:
                del self._still[life.agent_id]
                await self._quarantine.drained(life.agent_id)

    async def _all_know(self, life: Life) -> bool:
        known = self._control.get(KIND, life.agent_id)
        return known is not None and not await self._control.acknowledged(known[1], 0.0)
