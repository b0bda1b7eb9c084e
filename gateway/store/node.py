"""One Redis server: calls of concurrent callers share round trips to it, and nobody waits longer than agreed.

It never retries a command, never queues without bound, and never gives a caller the reply of another one.
"""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from gateway.store.breaker import Breaker
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.lane import Call, Command, Lane
from gateway.store.links import OpenLink
from gateway.store.replies import NO_SERVICE, NO_WRITES, meaning
from gateway.store.scripts import ScriptCall

_STALL = 0.02  # a timer this late means that the loop itself stood still: replies may be there, unread
_PATIENCE = 5  # such timers in a row that are excused
_IDLE = 1.0  # seconds without an answer after which `look` asks


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one server may cost its callers. For the fields see `Connection`."""

    op_timeout: float
    lanes: int
    max_batch: int
    max_queue: int
    jitter: Callable[[], float]


class Node:
    """The way to one server, for one event loop.

    Calls made in one turn of the loop leave in one batch; while all lanes are under way, later calls gather for the
    next. Every call ends within `op_timeout` seconds (and a few ms), whatever the server does.

    Args:
        open_link: to this server, wherever it is by now.
        probe: the key to write for seeing whether writes are taken.
        on_change: told when `healthy` or `serving` is another than before.
        redirect: offered every error reply with its call; True if it took the call to another node.

    Attributes:
        healthy: it answers and takes writes.
        serving: nothing says otherwise (it may not have been asked yet).
        watched: somebody calls `look` all the time; then ordinary calls do not try a lost server.
        why: what was wrong last, for the log.
    """

    def __init__(
        self,
        open_link: OpenLink,
        bounds: Bounds,
        *,
        probe: Callable[[], str],
        on_change: Callable[[], None],
        redirect: Callable[["Node", Call, ResponseError], bool] | None = None,
    ) -> None:
        self.breaker = Breaker(lambda: self._now(), jitter=bounds.jitter)
        self.healthy = False
        self.serving = True
        self.watched = False
        self.why = ""
        self._open_link = open_link
        self._op_timeout = bounds.op_timeout
        self._max_batch = bounds.max_batch
        self._max_queue = bounds.max_queue
        self._probe = probe
        self._on_change = on_change
        self._redirect = redirect
        mark = secrets.token_hex(4)
        self._lanes = [Lane(open_link, mark=f"{mark}{n}") for n in range(bounds.lanes)]
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: deque[Call] = deque()
        self._waiting: deque[Call] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._dispatching = False
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._forgiven = 0
        self._answered_at = 0.0
        self._answered = False
        self._writable = True
        self._closed = False

    def refresh(self) -> None:
        """Open new links for the next batches: the server has moved."""
        for lane in self._lanes:
            lane.refresh()

    @property
    def trips(self) -> int:
        """How often its breaker opened."""
        return self.breaker.trips

    async def open_link(self, key: str) -> AbstractConnection:
        """A link of the caller's own; `key` does not matter where one server has all keys. Raises StoreUnavailable."""
        return await self._open_link()

    async def close(self) -> None:
        """Fail what waits, close the links. The node cannot be used again."""
        self._closed = True
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for lane in self._lanes:
            await lane.close()
        for call in (*self._queue, *self._waiting):
            call.settle(StoreUnavailable("closed"))
        self._queue.clear()
        self._waiting.clear()

    # Calls come in

    def submit(
        self,
        command: Command | ScriptCall,
        tag: bytes | None = None,
        whole: Command | None = None,
        *,
        probe: bool = False,
    ) -> "asyncio.Future[Any]":
        """Queue one command; the future gets its reply or, as a result too, a `StoreError`. `tag` and `whole` as in
        `Call`.

        Raises:
            StoreUnavailable: it was not even queued.
        """
        if self._closed:
            raise StoreUnavailable("closed", sent=False)
        if not (self.breaker.closed or probe or (not self.watched and self.breaker.begin_probe())):
            raise StoreUnavailable("open", "it did not answer lately", sent=False)
        if len(self._queue) >= self._max_queue:
            raise StoreUnavailable("overload", f"{self._max_queue} calls wait already", sent=False)
        loop = self._loop or self._start()
        call = Call(command, loop.create_future(), loop.time() + self._op_timeout, tag, whole)
        self._waiting.append(call)
        self.take_over(call)
        return call.future

    async def submit_everywhere(self, command: Command) -> list[Any]:
        """As `submit`, to all servers: this one."""
        return [await self.submit(command)]

    def take_over(self, call: Call) -> None:
        """Queue a call that another node has accepted; that one goes on to watch its deadline."""
        loop = self._loop or self._start()
        if self._closed:
            call.settle(StoreUnavailable("closed", sent=False))
            return
        self._queue.append(call)
        if self._sweep_timer is None:
            self._sweep_at(call.deadline)
        if not self._dispatching and self._idle:
            # Not now but after the callbacks that are ready: what they call shares the round trip.
            self._dispatching = True
            loop.call_soon(self._dispatch)

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        self._tasks = [self._loop.create_task(self._serve(lane)) for lane in self._lanes]
        return self._loop

    def _now(self) -> float:
        return (self._loop or asyncio.get_running_loop()).time()

    # Batches go out

    def _dispatch(self) -> None:
        """Wake one idle lane; it takes all it can carry."""
        self._dispatching = False
        if self._queue and self._idle and not self._closed:
            self._idle.pop().set_result(None)

    async def _serve(self, lane: Lane) -> None:
        rest = False
        while True:
            if rest or not self._queue:
                idle = asyncio.get_running_loop().create_future()
                self._idle.append(idle)
                await idle
            try:
                await lane.open()
            except StoreUnavailable as error:
                rest = True  # not at once again: the next call, or the other lane, goes on
                self._unreachable(error)
                continue
            rest = False
            batch = self._take()
            self._dispatch()  # if more than one batch waits
            if batch:
                await self._carry(lane, batch)

    def _take(self) -> list[Call]:
        batch: list[Call] = []
        while self._queue and len(batch) < self._max_batch:
            call = self._queue.popleft()
            if not call.future.done():  # given up before it was sent: never carried out
                batch.append(call)
        return batch

    async def _carry(self, lane: Lane, batch: list[Call]) -> None:
        try:
            replies = await lane.carry(batch)
        except StoreUnavailable as error:
            for call in batch:
                call.settle(StoreUnavailable(error.reason, error.detail, sent=error.sent))
            self._lost(error)
            return
        except asyncio.CancelledError:
            for call in batch:
                call.settle(StoreUnavailable("closed"))
            raise
        codes = set()
        for call, reply in zip(batch, replies, strict=True):
            if isinstance(reply, ResponseError):
                if self._redirect is not None and self._redirect(self, call, reply):
                    continue
                said = meaning(reply)
                codes.add(said.code)
                reply = said.error
            call.settle(reply)
        self._heard(codes)

    # What it says about the store

    def _heard(self, codes: set[str]) -> None:
        """A batch came back. Error codes in it may still say that Redis cannot be our store."""
        refused = codes & NO_SERVICE
        if refused:
            self.refresh()
            self.breaker.trip()
            self.why = f"it says {', '.join(sorted(refused))}"
            self._fail_queue("open", self.why)
        else:
            self._answered = True
            self._answered_at = self._now()
            self.breaker.succeeded()
        if codes & NO_WRITES:
            self._writable = False
            self.why = f"it says {', '.join(sorted(codes & NO_WRITES))}"
        self._report()

    def _unreachable(self, error: StoreUnavailable) -> None:
        """A link did not open. Calls wait on only if another lane can take them."""
        if not any(lane.connected for lane in self._lanes):
            self._fail_queue(error.reason, error.detail)
        self._lost(error)
        self._dispatch()

    def _lost(self, error: StoreUnavailable) -> None:
        """A batch did not come back."""
        if error.reason.upper() in NO_SERVICE:
            self.breaker.trip()
        else:
            self.breaker.failed()
        if not self.breaker.closed:
            self._fail_queue("open", error.detail)
        self.why = error.detail
        self._report()

    def _fail_queue(self, reason: str, detail: str) -> None:
        while self._queue:
            self._queue.popleft().settle(StoreUnavailable(reason, detail, sent=False))

    def _report(self) -> None:
        serving = self._writable and self.breaker.closed
        healthy = serving and self._answered
        if healthy is self.healthy and serving is self.serving:
            return
        self.healthy, self.serving = healthy, serving
        self._on_change()

    # Time

    def _sweep(self, due: float) -> None:
        """Tell callers whose time is over. One timer for all of them."""
        loop = self._loop
        assert loop is not None
        now = loop.time()
        self._sweep_timer = None
        if now - due > _STALL and self._forgiven < _PATIENCE:
            # The loop stood still, not Redis: let the lanes read first what has come meanwhile.
            self._forgiven += 1
            self._sweep_at(now + _STALL / 2)
            return
        self._forgiven = 0
        late = False
        while self._waiting and (self._waiting[0].future.done() or self._waiting[0].deadline <= now):
            call = self._waiting.popleft()
            if not call.future.done():
                call.settle(StoreUnavailable("timeout", "no reply in time"))
                late = True
        for lane in self._lanes:
            if lane.sent_at is not None and lane.sent_at + self._op_timeout <= now:
                lane.expire()
        if late:
            self._lost(StoreUnavailable("timeout", "no reply in time"))
        times = [lane.sent_at + self._op_timeout for lane in self._lanes if lane.sent_at is not None]
        times += [self._waiting[0].deadline] if self._waiting else []
        if times:
            self._sweep_at(max(min(times), now + 0.001))

    def _sweep_at(self, when: float) -> None:
        assert self._loop is not None
        self._sweep_timer = self._loop.call_at(when, self._sweep, when)

    # Without traffic

    async def look(self) -> None:
        """Ask, if it is time to: notices loss and recovery without traffic."""
        lost = not (self.breaker.closed and self._writable)
        if not self.breaker.closed and not self.breaker.begin_probe():
            return
        if not lost and self._answered and self._now() - self._answered_at < _IDLE:
            return
        with contextlib.suppress(StoreError):
            # A store that was lost must take a write before it counts as there again.
            command = ("SET", self._probe(), 1, "EX", 60) if lost else ("PING",)
            reply = await self.submit(command, probe=True)
            if lost and not isinstance(reply, StoreError):
                self._writable = True
                self._report()
