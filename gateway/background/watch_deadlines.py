"""Ends exchanges that wait too long: one watcher for all of them, so that none arms timers of its own."""

import asyncio
from collections.abc import Callable, Collection

from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange

_MESSAGES = {
    "first_byte": "The provider did not begin its answer within {seconds:g} s.",
    "idle": "The provider sent nothing for {seconds:g} s in the middle of its answer.",
}


async def watch_deadlines(active: Collection[Exchange], clock: Callable[[], float], *, tick: float) -> None:
    """Look at every active exchange each `tick` seconds, for ever; a time-out is late by at most one tick."""
    while True:
        await asyncio.sleep(tick)
        now = clock()
        for exchange in tuple(active):
            check(exchange, now)


def check(exchange: Exchange, now: float) -> None:
    """Interrupt an exchange that is over its time; else let it use the tick (keep-alive comments)."""
    if now > exchange.deadline:
        exchange.interrupt(
            Refusal("upstream_timeout", f"The answer was not complete within {now - exchange.started:.0f} s.")
        )
    elif now - exchange.touched > exchange.patience:
        message = _MESSAGES[exchange.patience_kind].format(seconds=exchange.patience)
        exchange.interrupt(Refusal("upstream_timeout", message))
    elif exchange.on_tick is not None:
        exchange.on_tick(now)
