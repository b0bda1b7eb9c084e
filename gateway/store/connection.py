"""The gateway's way to Redis: commands of concurrent callers share round trips, and nobody waits longer than agreed.

It never retries a command, never queues without bound, and never gives a caller the reply of another one.
"""

import asyncio
import contextlib
import logging
import random
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from gateway.store.breaker import Breaker
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.keys import Keys
from gateway.store.lane import Argument, Call, Command, Lane, opened
from gateway.store.links import link_maker
from gateway.store.replies import NO_SERVICE, NO_WRITES, meaning
from gateway.store.scripts import load_scripts

logger = logging.getLogger(__name__)

_STALL = 0.02  # a timer this late means that the loop itself stood still: replies may be there, unread
_PATIENCE = 5  # such timers in a row that are excused
_IDLE = 1.0  # seconds without an answer after which `watch` asks by itself
_TICK = 0.25  # seconds between two looks of `watch`


class Connection:
    """Redis at `url`, for one event loop.

    Calls made in one turn of the loop leave in one batch; while `lanes` batches are under way, later calls gather
    for the next. Every call ends within `op_timeout` seconds (and a few ms), whatever Redis does.

    Args:
        url: redis://, rediss:// or unix://.
        prefix: of every key the gateway uses.
        op_timeout: seconds a caller waits, including queueing and connecting.
        connect_timeout: seconds for opening a link, in the background of calls that have given up.
        lanes: links, so batches under way at a time.
        max_batch: commands in one batch.
        max_queue: calls waiting for a lane; more are refused.
        jitter: a number in [0, 1) for the breaker.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "leuko:",
        op_timeout: float = 0.05,
        connect_timeout: float = 0.2,
        lanes: int = 2,
        max_batch: int = 512,
        max_queue: int = 16_384,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.keys = Keys(prefix)
        self.breaker = Breaker(lambda: self._now(), jitter=jitter)
        self.on_change: list[Callable[[bool], None]] = []
        self.healthy = False
        self._op_timeout = op_timeout
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._scripts = load_scripts()
        self._connect_timeout = connect_timeout
        make_link = self._make_link = link_maker(url, connect_timeout=connect_timeout)
        mark = secrets.token_hex(4)
        self._lanes = [Lane(make_link, connect_timeout=connect_timeout, mark=f"{mark}{n}") for n in range(lanes)]
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
        self._why = ""
        self._watched = False
        self._closed = False

    async def execute(self, *command: Argument) -> Any:
        """Send one command; the reply as RESP2 has it: bytes, int, list or None.

        Raises:
            StoreUnavailable: no reply to rely on. The command may have been carried out if `sent`.
            CommandRefused: an error reply to this command.
        """
        return _unwrap(await self._submit(command))

    async def script(self, name: str, keys: Sequence[str], args: Sequence[Argument] = ()) -> list[Any]:
        """Run a script of `lua/`; its reply without the tag in front. Errors as in `execute`."""
        reply: list[Any] = _unwrap(await self._submit_script(name, keys, args))
        return reply[1:]

    async def scripts(
        self, name: str, calls: Sequence[tuple[Sequence[str], Sequence[Argument]]]
    ) -> list[list[Any] | StoreError]:
        """Run one script many times in as few round trips as possible. A failure stands in the list, in its place."""
        futures: list[asyncio.Future[Any]] = []
        results: list[list[Any] | StoreError] = []
        refusal: StoreUnavailable | None = None
        for keys, args in calls:
            try:
                futures.append(self._submit_script(name, keys, args))
            except StoreUnavailable as error:
                refusal = error
                break
        for future in futures:
            reply = await future
            results.append(reply if isinstance(reply, StoreError) else reply[1:])
        if refusal is not None:
            results += [refusal] * (len(calls) - len(futures))
        return results

    async def open_link(self, key: str) -> AbstractConnection:
        """A link of the caller's own to the server that has `key` now, for what the lanes cannot do, such as Pub/Sub.

        Use its `send_command` and `read_response`; replies have no time-out. Close it with `disconnect(nowait=True)`,
        after any error too, and open another one: the server may have moved.

        Raises:
            StoreUnavailable: no link could be opened.
        """
        return await opened(self._make_link(), within=self._connect_timeout)

    async def watch(self) -> None:
        """Notice loss and recovery without traffic, until cancelled. While it runs, it alone tries a lost store."""
        self._watched = True
        try:
            while True:
                await self._look()
                await asyncio.sleep(_TICK)
        finally:
            self._watched = False

    async def close(self) -> None:
        """Fail what waits, close the links. The connection cannot be used again."""
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

    def _submit_script(self, name: str, keys: Sequence[str], args: Sequence[Argument]) -> "asyncio.Future[Any]":
        script = self._scripts[name]
        rest = (len(keys), *keys, *args)
        whole = ("EVAL", script.source, *rest)
        return self._submit(("EVALSHA", script.digest, *rest), tag=keys[0].encode(), whole=whole)

    def _submit(self, command: Command, *, probe: bool = False, **extra: Any) -> "asyncio.Future[Any]":
        if self._closed:
            raise StoreUnavailable("closed", sent=False)
        if not (self.breaker.closed or probe or (not self._watched and self.breaker.begin_probe())):
            raise StoreUnavailable("open", "it did not answer lately", sent=False)
        if len(self._queue) >= self._max_queue:
            raise StoreUnavailable("overload", f"{self._max_queue} calls wait already", sent=False)
        loop = self._loop or self._start()
        call = Call(command, loop.create_future(), loop.time() + self._op_timeout, **extra)
        self._queue.append(call)
        self._waiting.append(call)
        if self._sweep_timer is None:
            self._sweep_timer = loop.call_at(call.deadline, self._sweep, call.deadline)
        if not self._dispatching and self._idle:
            # Not now but after the callbacks that are ready: what they call shares the round trip.
            self._dispatching = True
            loop.call_soon(self._dispatch)
        return call.future

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
            for lane in self._lanes:
                lane.refresh()
            self.breaker.trip()
            self._why = f"it says {', '.join(sorted(refused))}"
            self._fail_queue("open", self._why)
        else:
            self._answered = True
            self._answered_at = self._now()
            self.breaker.succeeded()
        if codes & NO_WRITES:
            self._writable = False
            self._why = f"it says {', '.join(sorted(codes & NO_WRITES))}"
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
        self._why = error.detail
        self._report()

    def _fail_queue(self, reason: str, detail: str) -> None:
        while self._queue:
            self._queue.popleft().settle(StoreUnavailable(reason, detail, sent=False))

    def _report(self) -> None:
        healthy = self._answered and self._writable and self.breaker.closed
        if healthy is self.healthy:
            return
        self.healthy = healthy
        logger.log(
            logging.INFO if healthy else logging.WARNING, "Redis is %s", "there" if healthy else f"lost: {self._why}"
        )
        for listener in self.on_change:
            try:
                listener(healthy)
            except Exception:  # a listener's defect must not end the lane that reports
                logger.exception("a listener to the state of Redis failed")

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

    async def _look(self) -> None:
        lost = not (self.breaker.closed and self._writable)
        if not self.breaker.closed and not self.breaker.begin_probe():
            return
        if not lost and self._answered and self._now() - self._answered_at < _IDLE:
            return
        with contextlib.suppress(StoreError):
            # A store that was lost must take a write before it counts as there again.
            command = ("SET", self.keys.probe, 1, "EX", 60) if lost else ("PING",)
            reply = await self._submit(command, probe=True)
            if lost and not isinstance(reply, StoreError):
                self._writable = True
                self._report()


def _unwrap(reply: Any) -> Any:
    if isinstance(reply, StoreError):
        raise reply
    return reply
