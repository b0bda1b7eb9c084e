"""Waiting for what another task does, in a test that runs in the same loop."""

import asyncio
from collections.abc import Callable


async def until(holds: Callable[[], object], within: float = 10.0) -> None:
    """Ask `holds()` until it says yes; raises TimeoutError after `within` seconds."""
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.005)
