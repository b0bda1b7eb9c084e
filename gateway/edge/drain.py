"""How the gateway stops without cutting an answer: open exchanges may finish; those that take too long are ended with
an error in their own dialect, in the stream if one has begun."""

import asyncio
from collections.abc import Callable, Collection

from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange

_POLL_SECONDS = 0.05
_LAST_SECOND = 1.0
_HURRY_SECONDS = 1.0


class Drain:
    """Waits for the exchanges under way, and ends those that take too long with a refusal in their own dialect.

    Args:
        active: the exchanges under way; watched, never changed.
        whole_seconds, stream_seconds: how long answers that are not streamed, and streams, may go on.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        active: Collection[Exchange],
        *,
        whole_seconds: float,
        stream_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._active = active
        self._whole_seconds = whole_seconds
        self._stream_seconds = stream_seconds
        self._clock = clock
        self._hurry_at = float("inf")
        self.draining = False

    def on_draining(self) -> None:
        """From now on the readiness probe says no."""
        self.draining = True

    def hurry(self) -> None:
        """A second signal: one second more, then every answer ends."""
        self._hurry_at = min(self._hurry_at, self._clock() + _HURRY_SECONDS)

    async def drain(self) -> None:
        """Return when no exchange is left."""
        began = self._clock()
        while self._active:
            for exchange in tuple(self._active):
                allowed = self._stream_seconds if exchange.streaming else self._whole_seconds
                ends = began if exchange.standing else began + max(0.0, allowed - _LAST_SECOND)
                if self._clock() >= min(ends, self._hurry_at):
                    exchange.interrupt(
                        Refusal("gateway_draining", "The gateway is stopping; try again.", retry_after=1)
                    )
            await asyncio.sleep(_POLL_SECONDS)
