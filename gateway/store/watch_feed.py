"""What the watchers of agents read: vitals, findings and orders, a stream for each part of the agents.

Telling never waits and never fails; what could not be written stays, up to a bound, and is written once.
"""

import logging
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import field, fields
from typing import Any

import orjson

from gateway.immune.finding import Finding
from gateway.model.value import value
from gateway.model.vitals import Vitals
from gateway.store.connection import Connection
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.keys import PARTITIONS, partition_of
from gateway.store.lane import Argument
from gateway.store.vitals import Packing, plain, unpacked
from gateway.store.write_behind import WriteBehind

logger = logging.getLogger(__name__)

_CHUNK = 256  # entries in one batch: about a millisecond of Redis's time
_LENGTH = 100_000  # entries of a stream that nobody reads
_WRITERS = 64
_LARGEST = 16 * 1024  # bytes of one entry
_LONGEST = 200  # characters of a name in a finding: callers choose them
_VITALS, _FINDING, _ORDER = b"v", b"f", b"o"
_MEMBERS = frozenset(member.name for member in fields(Finding))

_Row = tuple[str, bytes, bytes]


@value
class Entry:
    """One thing about one agent; ids grow. None of the three: another version wrote it, it only has to be passed."""

    id: str
    agent_id: str
    vitals: Vitals | None = None
    finding: Finding | None = None
    order: Mapping[str, Any] | None = field(default=None, hash=False)


class WatchFeed:
    """Takes in memory (`vitals`, `finding`, `order`), writes (`run`, `flush`, `append`).

    Args:
        max_pending: entries unwritten; further ones are dropped.
        interval: seconds between two flushes while there is something to write.
        packed: makes a row of vitals.

    Attributes:
        dropped: entries that will never be written: too many, too large, or refused by Redis.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        max_pending: int = 20_000,
        interval: float = 0.05,
        packed: Callable[[Vitals], bytes] | None = None,
    ) -> None:
        self._connection = connection
        self._max_pending = max_pending
        self._packed = packed or Packing()
        self._writing = WriteBehind(self.flush, interval)
        self._writer = secrets.token_hex(8)
        self._parts = tuple(_Part(number) for number in range(PARTITIONS))
        self.dropped = 0
        self.pending = 0

    def vitals(self, vitals: Vitals) -> None:
        """Note one exchange."""
        self._put(vitals.agent_id, _VITALS, self._packed(vitals))

    def finding(self, finding: Finding) -> None:
        """Note what was found while an exchange was under way. A detail that is too large is left out."""
        self._put(finding.agent_id, _FINDING, _finding(finding))

    def order(self, agent_id: str, order: Mapping[str, Any]) -> None:
        """Ask something of the watcher: plain data with a member `do`."""
        self._put(agent_id, _ORDER, _json(order))

    async def append(self, agent_id: str, order: Mapping[str, Any]) -> str:
        """Ask something of the watcher at once; the entry's id, see `WatchPartitions.passed`.

        Raises:
            StoreUnavailable: it may have been asked if `sent`.
            ValueError: it is too large.
        """
        row = _json(order)
        if len(row) > _LARGEST:
            raise ValueError(f"an order of {len(row)} bytes; at most {_LARGEST} are allowed")
        key = self._connection.keys.watch(partition_of(agent_id), "feed")
        entry: tuple[Argument, ...] = ("a", agent_id, _ORDER, row)
        added: bytes = await self._connection.execute("XADD", key, "MAXLEN", "~", _LENGTH, "*", *entry)
        return added.decode()

    async def run(self) -> None:
        """Flush while there is something to write, until cancelled; then once more."""
        await self._writing.run()

    async def flush(self) -> bool:
        """Write all that is pending now. False if something could not be written: it is kept for the next time."""
        complete = True
        waiting = [part for part in self._parts if part.fill()]
        while waiting:
            keys = self._connection.keys
            calls = [
                (
                    [keys.watch(part.number, "feed"), keys.watch(part.number, "writers")],
                    [self._writer, part.batch, _LENGTH, _WRITERS, *(cell for row in part.sending for cell in row)],
                )
                for part in waiting
            ]
            replies = await self._connection.scripts("append_feed", calls)
            rest = []
            for part, reply in zip(waiting, replies, strict=True):
                if isinstance(reply, StoreUnavailable):
                    complete = False
                    continue
                if isinstance(reply, StoreError):
                    self.dropped += len(part.sending)
                    logger.error("Redis refused %d entries for the watchers: %s", len(part.sending), reply)
                self.pending -= part.done()
                if part.fill():
                    rest.append(part)
            waiting = rest
        return complete

    def _put(self, agent_id: str, kind: bytes, row: bytes) -> None:
        if self.pending >= self._max_pending or len(row) > _LARGEST:
            self.dropped += 1
            return
        self.pending += 1
        self._parts[partition_of(agent_id)].pending.append((agent_id, kind, row))
        self._writing.wake()


class _Part:
    """What is unwritten of one stream. A batch keeps its number until Redis has said what became of it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.batch = 0
        self.pending: deque[_Row] = deque()
        self.sending: list[_Row] = []

    def fill(self) -> bool:
        """Whether there is something to send."""
        if not self.sending and self.pending:
            self.batch += 1
            self.sending = [self.pending.popleft() for _ in range(min(_CHUNK, len(self.pending)))]
        return bool(self.sending)

    def done(self) -> int:
        count = len(self.sending)
        self.sending = []
        return count


def read_entry(entry_id: bytes, cells: list[bytes]) -> Entry:
    """One entry as Redis has it."""
    agent, kind, row = (cells[1], cells[2], cells[3]) if len(cells) == 4 else (b"", b"", b"")
    place = (entry_id.decode(), agent.decode("utf-8", "replace"))
    try:
        if kind == _VITALS:
            return Entry(*place, vitals=unpacked(place[1], row))
        if kind == _FINDING:
            members = orjson.loads(row)
            return Entry(*place, finding=Finding(**{name: members[name] for name in _MEMBERS & members.keys()}))
        if kind == _ORDER:
            return Entry(*place, order=orjson.loads(row))
    except (ValueError, TypeError, AttributeError) as error:
        logger.warning("an entry for the watchers cannot be read: %s", error)
    return Entry(*place)


def _finding(finding: Finding) -> bytes:
    members = {name: getattr(finding, name) for name in _MEMBERS}
    members |= {name: value[:_LONGEST] for name, value in members.items() if type(value) is str}
    row = _json(members)
    return row if len(row) <= _LARGEST else _json({**members, "detail": {}})


def _json(document: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:  # names of models and tools can hold lone surrogates
        return orjson.dumps(plain(document), default=str)
