"""Takes over files that were changed under the running gateway. What is refused changes nothing: what was read last
stays in force."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


async def follow_files(
    what: str,
    look: Callable[[], object],
    reload: Callable[[], Awaitable[None]],
    *,
    loaded: object = None,
    every: float = 2.0,
) -> None:
    """Call `reload` whenever what `look` says has changed and then stood still for one look, for ever.

    A file that is being written is not read half; `look` touches the disk, so it runs in a thread.

    Args:
        what: the files, as a message names them.
        loaded: what `look` said of what is in force; None: what it says first.
        every: seconds between two looks.
    """
    seen = await asyncio.to_thread(look)
    loaded = seen if loaded is None else loaded
    while True:
        await asyncio.sleep(every)
        now = await asyncio.to_thread(look)
        if now == seen and now != loaded:
            loaded = now
            try:
                await reload()
            except Exception:  # broad: a defect met in one change must not keep later ones from being read
                log.exception("%s could not be read again", what)
        seen = now
