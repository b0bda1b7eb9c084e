"""What happened, for operators who watch: a short stream in Redis that every worker adds to and any can read.

Telling an event never waits and never fails; what could not be written in time is counted and gone.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.store.connection import Connection
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.write_behind import WriteBehind

KEPT = 1000
_PENDING = 1000
_INTERVAL = 0.05  # seconds that events gather for one round trip
_PAGE = 100
_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")
START = "0-0"


@dataclass(frozen=True, slots=True)
class Event:
    """`id` orders events and is where a reader goes on from; `time` is in seconds since the epoch."""

    id: str
    kind: str
    time: float
    data: dict[str, Any]


def is_event_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


class Events:
    """Tells (`notify`), writes (`run`), and reads (`after`, `last`).

    Args:
        clock: seconds since the epoch.

    Attributes:
        dropped: events told and never written.
    """

    def __init__(self, connection: Connection, *, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._key = connection.keys.events
        self._clock = clock
        self._pending: deque[bytes] = deque()
        self._writing = WriteBehind(self.flush, _INTERVAL)
        self.dropped = 0

    def notify(self, kind: str, data: dict[str, Any]) -> None:
        """Tell an event: names and numbers, never text of prompts or answers. In memory; while Redis is away the
        newest thousand wait."""
        if len(self._pending) >= _PENDING:
            self._pending.popleft()
            self.dropped += 1
        self._pending.append(orjson.dumps({"kind": kind, "time": self._clock(), "data": data}, default=str))
        self._writing.wake()

    async def run(self) -> None:
        """Write what is told, until cancelled; then what is left, once."""
        await self._writing.run()

    async def flush(self) -> bool:
        """Write all that waits now; False if it still does."""
        while self._pending:
            try:
                # One that may have been written is not written again: an event seen twice is worse than one lost.
                await self._add(self._pending[0])
            except StoreUnavailable as error:
                if not error.sent:
                    return False
                self.dropped += 1
            except StoreError:
                self.dropped += 1
            self._pending.popleft()
        return True

    async def after(self, last: str) -> list[Event]:
        """The next events behind the one of this id, at most a hundred. Raises StoreUnavailable."""
        found = await self._connection.execute("XRANGE", self._key, f"({last}", "+", "COUNT", _PAGE)
        return [_event(event_id.decode(), fields[1]) for event_id, fields in found]

    async def last(self) -> str:
        """The id of the newest event, the start of all if there is none. Raises StoreUnavailable."""
        found = await self._connection.execute("XREVRANGE", self._key, "+", "-", "COUNT", 1)
        return found[0][0].decode() if found else START

    async def _add(self, event: bytes) -> None:
        await self._connection.execute("XADD", self._key, "MAXLEN", "~", KEPT, "*", "e", event)


def _event(event_id: str, raw: bytes) -> Event:
    read = orjson.loads(raw)
    return Event(event_id, read["kind"], read["time"], read["data"])
