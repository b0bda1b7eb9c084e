"""Takes over changed policy files. What is refused changes nothing: the last good documents stay in force."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


async def reload_policies(
    look: Callable[[], object], reload: Callable[[], Awaitable[None]], *, every: float = 2.0
) -> None:
    """Call `reload` whenever what `look` says has changed and then stood still for one look, for ever.

    A file that is being written is not read half; `look` touches the disk, so it runs in a thread.
    """
    loaded = seen = await asyncio.to_thread(look)
    while True:
        await asyncio.sleep(every)
        now = await asyncio.to_thread(look)
        if now == seen and now != loaded:
            loaded = now
            try:
                await reload()
            except Exception:  # broad: a defect met in one change must not keep later ones from being read
                log.exception("The policy documents could not be read again")
        seen = now
