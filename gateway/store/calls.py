"""Requests and calls as they were judged, kept for a while so that a policy can be tried on them before it is in force.

Noting never waits and never fails: notes gather in memory and are written in batches, compressed; what cannot be
written in time is counted and gone. Secrets are covered before anything is written.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import Callable, Sequence

import orjson

from gateway.policy.recorded import Recorded, RecordedCall
from gateway.store.call_form import LARGEST, packed, unpacked
from gateway.store.connection import Connection
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.write_behind import WriteBehind

MOST_BYTES = 64 * 1024 * 1024
"""Of compressed batches, all replicas together."""
MOST_READ = 10_000

_INTERVAL = 1.0  # seconds that notes gather for one batch
_BATCH = 256  # notes
_BATCH_BYTES = 256 * 1024
_PENDING = 10_000  # notes
_PENDING_BYTES = 32 * 1024 * 1024  # of arguments that wait
_SKEW = 60.0  # seconds that clocks may differ
_PAGE = 8  # batches read in one go


class CallLog:
    """Notes (`note`), writes (`run`, `flush`), reads (`read`).

    Args:
        life: seconds that notes are kept; None: nothing is recorded.
        redact: a text with known secrets covered.

    Attributes:
        lost: notes that were never written.
    """

    def __init__(self, connection: Connection, *, life: float | None, redact: Callable[[str], str]) -> None:
        self._connection = connection
        self._life = life
        self._redact = redact
        self._pending: deque[Recorded] = deque()
        self._bytes = 0
        self._writing = WriteBehind(self.flush, _INTERVAL)
        self.lost = 0

    @property
    def on(self) -> bool:
        """Whether anything is recorded."""
        return self._life is not None

    def note(self, record: Recorded) -> None:
        """Keep it. In memory; beyond a bound it is only counted."""
        if self._life is None:
            return
        size = _size(record)
        if len(self._pending) >= _PENDING or self._bytes + size > _PENDING_BYTES:
            self.lost += 1
            return
        self._bytes += size
        self._pending.append(record)
        if len(self._pending) == 1:
            self._writing.wake()

    async def run(self) -> None:
        """Write what is noted, until cancelled; then what is left, once."""
        await self._writing.run()

    async def flush(self) -> bool:
        """Write all that waits now; False if it still does. What may have been written is not written again."""
        while self._pending:
            batch = self._batch()
            blob = await asyncio.to_thread(self._packed, batch)  # patterns and compression take milliseconds
            try:
                await self._write(blob)
            except StoreUnavailable as error:
                if not error.sent:
                    self._pending.extendleft(reversed(batch))
                    return False
                self.lost += len(batch)
            except StoreError:
                self.lost += len(batch)
            self._bytes -= sum(map(_size, batch))
        return True

    async def read(self, since: float = 0.0, limit: int = MOST_READ) -> list[Recorded]:
        """The newest `limit` notes of no earlier time than `since` (seconds since the epoch), the oldest first.

        Raises StoreUnavailable.
        """
        found: list[Recorded] = []
        # A note is written after its time, and an entry's id is when: by Redis's clock, which may be another one's.
        end, start = "+", max(0, int((since - _SKEW) * 1000))
        while len(found) < limit:
            command = ("XREVRANGE", self._connection.keys.calls, end, start, "COUNT", _PAGE)
            page = await self._connection.execute(*command)
            for _, fields in page:
                found += (note for note in _opened(fields[1]) if note.time >= since)
                await asyncio.sleep(0)  # a batch takes milliseconds, in which everybody waits
            if len(page) < _PAGE:
                break
            end = "(" + page[-1][0].decode()
        found.sort(key=lambda note: -note.time)
        return found[:limit][::-1]

    def _batch(self) -> list[Recorded]:
        """The next notes to be written, not too many for one round trip of whoever reads them."""
        batch, size = [self._pending.popleft()], 0
        while self._pending and len(batch) < _BATCH and size < _BATCH_BYTES:
            batch.append(self._pending.popleft())
            size += min(_size(batch[-1]), LARGEST)
        return batch

    async def _write(self, blob: bytes) -> None:
        assert self._life is not None
        arguments = (blob, MOST_BYTES, round(self._life * 1000))
        await self._connection.script("record_calls", [self._connection.keys.calls], arguments)

    def _packed(self, batch: Sequence[Recorded]) -> bytes:
        return zlib.compress(b"\n".join(packed(note, self._redact) for note in batch), 3)


def _opened(blob: bytes) -> list[Recorded]:
    return [unpacked(orjson.loads(line)) for line in zlib.decompress(blob).split(b"\n")]


def _size(record: Recorded) -> int:
    """Bytes that a note may hold on to."""
    return 500 + (record.question.size if isinstance(record, RecordedCall) else 100 * len(record.tools))
