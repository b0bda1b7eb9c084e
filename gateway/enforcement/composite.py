"""Several strategies for one agent: each is tried, in order, whatever becomes of the others; what fails is tried
again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from gateway.enforcement.strategy import EnforcementFailed

log = logging.getLogger(__name__)

_TRIES = 3
_PAUSE = 0.5

S = TypeVar("S")


class Composite:
    """Args:
    failed: told the name of a strategy each time one fails.
    pause: seconds before the second try, twice as many before the third.
    """

    def __init__(self, failed: Callable[[str], None], *, tries: int = _TRIES, pause: float = _PAUSE) -> None:
        self._failed = failed
        self._tries = tries
        self._pause = pause

    async def each(
        self, strategies: Sequence[S], act: Callable[[S], Awaitable[None]], name: Callable[[S], str]
    ) -> list[EnforcementFailed]:
        """What could not be done, in the end."""
        left, failures = list(strategies), list[EnforcementFailed]()
        for tried in range(self._tries):
            if tried:
                await asyncio.sleep(self._pause * 2.0 ** (tried - 1))
            failures = []
            again = []
            for strategy in left:
                failure = await self._try(strategy, act, name)
                if failure is not None:
                    failures.append(failure)
                    again.append(strategy)
            left = again
            if not left:
                break
        return failures

    async def _try(
        self, strategy: S, act: Callable[[S], Awaitable[None]], name: Callable[[S], str]
    ) -> EnforcementFailed | None:
        try:
            await act(strategy)
            return None
        except EnforcementFailed as failure:
            self._failed(failure.strategy)
            return failure
        except Exception:  # broad: a defect of one strategy must not keep the next from stopping the agent
            log.exception("the strategy %s failed in a way nobody foresaw", name(strategy))
            self._failed(name(strategy))
            return EnforcementFailed(name(strategy), "failed in a way nobody foresaw; the log says how")
