"""Write-behind: what gathers in memory is written a moment later, all together."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

_END_SECONDS = 5.0


class WriteBehind:
    """Flushes (`run`) whenever there is something to write (`wake`), and once more at the end.

    A flush that is under way at the end is waited for, not broken off: what it took is neither lost nor written twice.

    Args:
        flush: writes all that waits now; False if some of it still does.
        interval: seconds that more may gather first.
    """

    def __init__(self, flush: Callable[[], Coroutine[Any, Any, bool]], interval: float) -> None:
        self._flush = flush
        self._interval = interval
        self._some = asyncio.Event()

    def wake(self) -> None:
        self._some.set()

    async def run(self) -> None:
        """Until cancelled; then for five seconds at most."""
        flushing: asyncio.Task[bool] | None = None
        try:
            while True:
                await self._some.wait()
                await asyncio.sleep(self._interval)
                self._some.clear()
                flushing = asyncio.create_task(self._flush())
                if not await asyncio.shield(flushing):
                    self._some.set()
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_SECONDS):
                    if flushing is not None and not flushing.done():
                        await flushing
                    await self._flush()
