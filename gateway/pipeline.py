"""The path of every request, on one screen: six phases act on one `Exchange`.

    identify → admit → rewrite → forward → inspect → settle

Each may refuse by raising `Refusal`, which is answered here and nowhere else, in the caller's own dialect; an exception
that nobody foresaw refuses too. `settle` runs always, once, and cannot be interrupted.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.model.errors import ClientGone, Refusal
from gateway.model.exchange import Exchange
from gateway.phases.caller import Caller
from gateway.upstream.reply import Reply

log = logging.getLogger(__name__)


class RefusableCaller(Caller, Protocol):
    """The caller as the pipeline knows it: only here is a refusal answered, so the phases see no more than `Caller`."""

    async def refuse(self, exchange: Exchange, refusal: Refusal) -> None: ...


class Admission(Protocol):
    """`admit`: reads a request, and lets it on or not."""

    async def __call__(self, exchange: Exchange, caller: Caller) -> None: ...

    def release(self, exchange: Exchange) -> None:
        """The bodies of this request are sent, or will never be. Idempotent."""


class Inspection(Protocol):
    """`inspect`: passes an answer on."""

    async def __call__(self, exchange: Exchange, reply: Reply, caller: Caller) -> None: ...


class Pipeline:
    """Carries exchanges through the phases.

    `active` holds those under way: the watcher of time-outs, the drain and whatever must cut streams look there.

    Args:
        begin, over: told of every exchange before the first phase and after the last; must neither wait nor raise.
    """

    def __init__(
        self,
        identify: Callable[[Exchange], Awaitable[None]],
        admit: Admission,
        rewrite: Callable[[Exchange], None],
        forward: Callable[[Exchange], Awaitable[Reply]],
        inspect: Inspection,
        settle: Callable[[Exchange], None],
        *,
        begin: Callable[[Exchange], None] = lambda exchange: None,
        over: Callable[[Exchange], None] = lambda exchange: None,
        active: set[Exchange] | None = None,
    ) -> None:
        self.identify = identify
        self.admit = admit
        self.rewrite = rewrite
        self.forward = forward
        self.inspect = inspect
        self.settle = settle
        self.active: set[Exchange] = set() if active is None else active
        self._begin = begin
        self._over = over

    async def run(self, exchange: Exchange, caller: RefusableCaller) -> None:
        self.active.add(exchange)
        self._begin(exchange)
        try:
            try:
                await self._phases(exchange, caller)
            except asyncio.CancelledError:
                if not _interrupted(exchange):
                    raise
            except (Refusal, ClientGone) as ending:
                exchange.failure = ending
            except Exception:  # broad: a phase that breaks must refuse, never let through
                log.exception("%s failed", exchange.id)
                exchange.failure = Refusal("internal_error", "The gateway failed at this request and refused it.")
            if isinstance(exchange.failure, Refusal):
                await self._refuse(exchange, caller, exchange.failure)
        finally:
            self.active.discard(exchange)
            self.admit.release(exchange)
            self.settle(exchange)
            self._over(exchange)
            _forget_the_way(exchange.failure)

    async def _phases(self, exchange: Exchange, caller: Caller) -> None:
        await self.identify(exchange)
        if exchange.refusal is not None:
            raise exchange.refusal
        await self.admit(exchange, caller)
        self.rewrite(exchange)
        reply = await self.forward(exchange)
        self.admit.release(exchange)
        try:
            await self.inspect(exchange, reply, caller)
        finally:
            reply.close()

    async def _refuse(self, exchange: Exchange, caller: RefusableCaller, refusal: Refusal) -> None:
        if refusal.code.startswith("upstream_"):
            log.info("%s: %s", exchange.id, refusal.message)
        try:
            await caller.refuse(exchange, refusal)
        except asyncio.CancelledError:
            if not _interrupted(exchange):
                raise
        except ClientGone as gone:
            exchange.failure = gone


def _forget_the_way(failure: BaseException | None) -> None:
    """The frames that a failure came through know the exchange that keeps it: both would wait for the collector."""
    if failure is not None:
        failure.__traceback__ = failure.__context__ = failure.__cause__ = None


def _interrupted(exchange: Exchange) -> bool:
    """Whether `Exchange.interrupt` asked for this cancellation; then its reason is how the exchange ends."""
    if exchange.interruption is None:
        return False
    exchange.task.uncancel()
    exchange.failure = exchange.interruption
    return True
