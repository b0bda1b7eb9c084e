"""Forgets agents that were found by how they call and have not called for weeks: Redis must not fill with them."""

import asyncio
import logging

from gateway.store.errors import StoreError
from gateway.store.registry import Registry

log = logging.getLogger(__name__)

_EVERY = 3600.0


async def forget_idle_agents(registry: Registry, *, idle_seconds: float) -> None:
    """Look once an hour, for ever; without Redis the next time."""
    while True:
        try:
            gone = await registry.forget_idle(idle_seconds)
            if gone:
                log.info("Forgot %d agents that have not called for %.0f days", gone, idle_seconds / 86_400)
        except StoreError as error:
            log.debug("idle agents cannot be forgotten: %s", error)
        await asyncio.sleep(_EVERY)
