"""What operators change, on every replica at once: one replicated log of (epoch, kind, id, data).

    change()   one script: next epoch, value kept by field `kind:id`, entry in the log, message to all
    news       Pub/Sub for speed, a poll every 500 ms for truth; a poll is also the heartbeat that says what is applied
    in step    a replica whose epoch the log still holds gets what is newer; any other one gives Redis all it knows and
               reads all that Redis knows: so a Redis that comes back empty or older is filled again, never believed
    lease      2 s from *before* the last poll was sent that found this replica in step; a silent replica counts as
               fenced once its lease is over

Only the newest change of a field counts, so listeners are told states, not steps. Fields are never forgotten.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import orjson

from gateway.store.connection import Connection
from gateway.store.control_file import ControlFile, Item
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.subscriber import Subscriber

logger = logging.getLogger(__name__)

LEASE_SECONDS = 2.0
POLL_SECONDS = 0.5
_SKEW_MS = 500  # a replica counts as live that much longer than its lease can last
_FORGET_MS = 60_000
_ACKNOWLEDGEMENT_POLL = 0.01
_LOG_LENGTH = 10_000
_TRIES_AT_START = 6
_BATCH = 200

Listener = Callable[[str, dict[str, Any], int], None]
"""Told the id, the data and the epoch of a change, in memory: neither waits nor raises."""


class ChangeConflict(Exception):
    """Somebody else has changed the same thing meanwhile; look again."""


class Control:
    """This replica's copy of the control state.

    Args:
        clock: monotonic seconds that go on while the process is stopped.
        file: where the state is kept on this machine as well.

    Attributes:
        epoch: of the newest change applied here.
        replica: this process's id among the replicas.
        refilled: how many fields this replica had to give back to Redis.
        on_lease: told in memory, at the next poll, that the lease was lost (False) or holds again.
    """

    def __init__(self, connection: Connection, *, clock: Callable[[], float], file: ControlFile | None = None) -> None:
        self._connection = connection
        self._clock = clock
        self._file = file
        self._items: dict[str, Item] = {}
        self._listeners: dict[str, list[Listener]] = {}
        self._news = asyncio.Event()
        self._refreshing: asyncio.Task[bool] | None = None
        self._leased_at = float("-inf")
        self._unsaved = False
        self._saving = asyncio.Lock()
        self.epoch = 0
        self.replica = f"rep_{secrets.token_hex(6)}"
        self.refilled = 0
        self.on_lease: list[Callable[[bool], None]] = []
        self._lease_told = True
        keys = connection.keys
        self._log, self._state, self._replicas = keys.control_log, keys.control_state, keys.control_replicas
        self._channel = keys.control_news

    # For everybody

    def on(self, kind: str, listener: Listener) -> None:
        """Have `listener` told of every change of this kind from now on, and of what is known already."""
        self._listeners.setdefault(kind, []).append(listener)
        for id, data, epoch in self.items(kind):
            _tell(listener, id, data, epoch)

    def get(self, kind: str, id: str) -> tuple[dict[str, Any], int] | None:
        """The newest change known here and its epoch."""
        item = self._items.get(f"{kind}:{id}")
        return None if item is None else (orjson.loads(item[1]), item[0])

    def items(self, kind: str) -> Iterator[tuple[str, dict[str, Any], int]]:
        """Every (id, data, epoch) of a kind, in the order of the changes."""
        found = [(item[0], field, item[1]) for field, item in self._items.items() if field.startswith(f"{kind}:")]
        for epoch, field, value in sorted(found):
            yield field.partition(":")[2], orjson.loads(value), epoch

    async def change(self, kind: str, id: str, data: Mapping[str, Any], *, expected: int | None = None) -> int:
        """Change something everywhere; it is applied and on disk here on return. The epoch of the change.

        Args:
            expected: the epoch that `get` gave, 0 for nothing: refuse if there is another one by now.

        Raises:
            ChangeConflict: there is another one.
            StoreUnavailable: Redis did not confirm; it may have been changed if `sent`.
        """
        field, value = f"{kind}:{id}", orjson.dumps(data)
        arguments = (self.epoch, field, value, "" if expected is None else expected, _LOG_LENGTH)
        (epoch,) = await self._connection.script("change_control", (self._log, self._state, self._channel), arguments)
        if epoch < 0:
            await self.refresh()
            raise ChangeConflict(field)
        self._apply(field, (epoch, value))
        await self.refresh()
        await self._save()
        return int(epoch)

    async def acknowledged(self, epoch: int, within: float) -> list[str]:
        """Wait until every live replica has applied `epoch`, for at most `within` seconds. Those that have not.

        Raises StoreUnavailable: nobody can know now.
        """
        deadline = self._clock() + within
        limits = (epoch, round(LEASE_SECONDS * 1000) + _SKEW_MS, _FORGET_MS)
        while True:
            _, *silent = await self._connection.script("pending_control", (self._replicas,), limits)
            if not silent or self._clock() >= deadline:
                return sorted(replica.decode() for replica in silent)
            await asyncio.sleep(_ACKNOWLEDGEMENT_POLL)

    # The lease

    @property
    def leased(self) -> bool:
        """Whether this replica may believe that it knows every change."""
        return self._clock() - self._leased_at < LEASE_SECONDS

    @property
    def unleased_for(self) -> float:
        """Seconds since the lease was over; 0 while it holds."""
        return max(0.0, self._clock() - self._leased_at - LEASE_SECONDS)

    async def renew(self) -> bool:
        """Ask Redis now if the lease is over though Redis is there, as after a process was stopped for a while."""
        if not self.leased and self._connection.serving:
            await self.refresh()  # one that was under way may have been sent too early to count
            if not self.leased:
                await self.refresh()
        return self.leased

    def _tell_of_lease(self) -> None:
        if self.leased is self._lease_told:
            return
        self._lease_told = not self._lease_told
        held = "holds again" if self._lease_told else "is lost: what others switch is not known here"
        logger.log(logging.INFO if self._lease_told else logging.WARNING, "The lease %s", held)
        for listener in self.on_lease:
            try:
                listener(self._lease_told)
            except Exception:  # broad: a listener's defect must not end the polls
                logger.exception("a listener to the lease failed")

    # Keeping in step

    async def begin(self) -> None:
        """Read the state from disk and from Redis, before anything is served.

        Raises StoreUnavailable: Redis does not answer.
        """
        if self._file is not None:
            for field, item in (await asyncio.to_thread(self._file.read)).items():
                self._apply(field, item)
        for tries_left in reversed(range(_TRIES_AT_START)):
            try:
                await self._resynchronise()
                await self._in_step()
                break
            except StoreUnavailable:
                if not tries_left:
                    raise
                await asyncio.sleep(POLL_SECONDS)
        await self._save()

    async def run(self) -> None:
        """Stay in step until cancelled; then leave the replicas."""
        subscriber = Subscriber(self._connection, self._channel, self._hear)
        listening = asyncio.create_task(subscriber.run())
        try:
            while True:
                await self.refresh()
                self._tell_of_lease()
                await self._save()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._news.wait()
        finally:
            last = [task for task in (listening, self._refreshing) if task is not None]
            for task in last:
                task.cancel()
            await asyncio.gather(*last, return_exceptions=True)
            with contextlib.suppress(StoreError):
                await self._connection.execute("HDEL", self._replicas, self.replica)

    async def refresh(self) -> bool:
        """Poll until in step; whether Redis let that happen. Callers at the same time share the polls."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh())
        return await asyncio.shield(self._refreshing)

    def _hear(self) -> None:
        self._news.set()

    async def _refresh(self) -> bool:
        try:
            while True:
                self._news.clear()
                await self._in_step()
                if not self._news.is_set():
                    return True
        except StoreError as error:
            logger.debug("the control log cannot be followed: %s", error)
            return False

    async def _in_step(self) -> None:
        while True:
            began = self._clock()
            keys = (self._log, self._state, self._replicas)
            epoch, reaches, *news = await self._connection.script(
                "poll_control", keys, (self.replica, self.epoch, _BATCH)
            )
            if reaches and not news and epoch == self.epoch:
                self._leased_at = began
                return
            if not reaches or not news:
                await self._resynchronise()
                continue
            for at, field, value in _groups(news, 3):
                self._take(field, value)
                self.epoch = max(self.epoch, at)

    async def _resynchronise(self) -> None:
        """Give Redis what it does not have, then take what it has."""
        epoch, missing = await self._merge([])
        for some in _groups(list(self._items.items()), _BATCH):
            epoch, given = await self._merge(some)
            missing += given
        if missing:
            self.refilled += missing
            logger.warning("Redis had lost %d changes of the control state; it has them again", missing)
        cursor: bytes | int = 0
        while True:
            cursor, flat = await self._connection.execute("HSCAN", self._state, cursor, "COUNT", _BATCH)
            for field, value in _groups(flat, 2):
                self._take(field, value)
            if int(cursor) == 0:
                break
        self.epoch = epoch

    async def _merge(self, items: Any) -> tuple[int, int]:
        pairs = [part for field, (at, value) in items for part in (field, b"%d %b" % (at, value))]
        known = max([self.epoch, *(item[0] for item in self._items.values())])
        keys = (self._log, self._state, self._channel)
        epoch, missing = await self._connection.script("merge_control", keys, (known, _LOG_LENGTH, *pairs))
        return epoch, missing

    def _take(self, field: bytes, held: bytes) -> None:
        """Apply what Redis holds of a field: its epoch, a space, its value."""
        at, _, value = held.partition(b" ")
        if at:
            self._apply(field.decode(), (int(at), value))

    def _apply(self, field: str, item: Item) -> None:
        before = self._items.get(field)
        if before is not None and before[0] >= item[0]:
            return
        self._items[field] = item
        self._unsaved = True
        kind, _, id = field.partition(":")
        for listener in self._listeners.get(kind, ()):
            _tell(listener, id, orjson.loads(item[1]), item[0])

    async def _save(self) -> None:
        if self._file is None:
            return
        async with self._saving:
            if self._unsaved:
                self._unsaved = False
                try:
                    await asyncio.to_thread(self._file.write, dict(self._items))
                except OSError as error:
                    self._unsaved = True
                    logger.error("The control state cannot be kept on disk: %s", error)


def _tell(listener: Listener, id: str, data: dict[str, Any], epoch: int) -> None:
    try:
        listener(id, data, epoch)
    except Exception:  # broad: a listener's defect must not keep the others, or the next change, from being applied
        logger.exception("a listener to the control log failed")


def _groups(members: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    rest = iter(members)
    while group := tuple(islice(rest, size)):
        yield group
