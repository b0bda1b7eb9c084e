"""Ends the streams of agents that are being drained when their time is over, on this replica, and says so to all."""

import asyncio
from collections.abc import Callable

from gateway.model.lifecycle import Life
from gateway.store.errors import StoreError
from gateway.store.quarantine import Quarantine


async def end_drains(quarantine: Quarantine, cut: Callable[[Life], None], *, tick: float = 0.1) -> None:
    """Look each `tick` seconds, for ever; what cannot be said for want of Redis is said later."""
    while True:
        await asyncio.sleep(tick)
        for life in quarantine.drain_over():
            cut(life)
            try:
                await quarantine.drained(life.agent_id)
            except StoreError:
                break
