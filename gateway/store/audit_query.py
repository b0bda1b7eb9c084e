"""Questions to the copy of the audit record: entries of all chains in one order, the latest first."""

import base64
import heapq
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from gateway.ledger.chain import shown
from gateway.store.audit_copy import AuditCopy, Position

_LOOKED_AT = 20_000  # records one question may look at; the next cursor goes on from there
_LAST = 2**53  # milliseconds; Redis knows no ids of arbitrary length


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What is asked for; None is anything. Times in seconds since the epoch, `end` exclusive. `place`: chain and number
    of the one entry that is asked for."""

    agent_id: str | None = None
    action: str | None = None
    allowed: bool | None = None
    start: float | None = None
    end: float | None = None
    source: str | None = None
    place: tuple[str, int] | None = None

    def fits(self, record: dict[str, Any]) -> bool:
        return (
            (self.agent_id is None or record.get("agent_id") == self.agent_id)
            and (self.action is None or record["action"] == self.action)
            and (self.allowed is None or record["allowed"] is self.allowed)
            and (self.source is None or record["source"] == self.source)
            and (self.end is None or record["time"] < self.end * 1000)
            and (self.place is None or record["seq"] == self.place[1])
        )


class AuditQuery:
    """Answers questions."""

    def __init__(self, copy: AuditCopy) -> None:
        self._copy = copy

    async def page(
        self, wanted: AuditFilter, limit: int, cursor: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Entries with their time in milliseconds, and the cursor of the next page or None; a page may hold fewer
        than there are, even none, and have a next one.

        Raises:
            ValueError: the cursor is none of ours.
            StoreUnavailable: Redis does not answer.
        """
        after = None if cursor is None else read_cursor(cursor)
        found: list[dict[str, Any]] = []
        looked_at = 0
        async for position, record in self._ordered(wanted, after):
            looked_at += 1
            if wanted.fits(record):
                found.append(shown(position.chain, record))
            if wanted.place is not None and record["seq"] <= wanted.place[1]:
                return found, None
            if len(found) >= limit or looked_at >= _LOOKED_AT:
                return found, make_cursor(position)
        return found, None

    async def _ordered(
        self, wanted: AuditFilter, after: Position | None
    ) -> AsyncIterator[tuple[Position, dict[str, Any]]]:
        """Every record before `after` and not before the wanted start, over all chains."""
        newest = min(
            (int(t) for t in (None if wanted.end is None else wanted.end * 1000, after and after.time) if t),
            default=None,
        )
        oldest = 0 if wanted.start is None else wanted.start * 1000
        readers: dict[str, AsyncIterator[dict[str, Any]]] = {}
        # A chain is read only once its last record could be the next one; until then its entry has no record.
        heap: list[tuple[int, str, int, dict[str, Any] | None]] = [
            (-(bound + 1), chain, 0, None)
            for chain, bound in await self._copy.chains()
            if bound >= oldest and (wanted.place is None or wanted.place[0] == chain)
        ]
        heapq.heapify(heap)
        while heap:
            _, chain, _, record = heapq.heappop(heap)
            if record is not None:
                if record["time"] < oldest:
                    continue
                position = Position(record["time"], chain, record["seq"])
                if after is None or _comes_after(position, after):
                    yield position, record
            reader = readers.get(chain) or readers.setdefault(chain, self._copy.backwards(chain, newest))
            following = await anext(reader, None)
            if following is not None:
                heapq.heappush(heap, (-following["time"], chain, -following["seq"], following))


def _comes_after(position: Position, after: Position) -> bool:
    """In the order of the heap: the latest first, then by chain, then the highest number first."""
    if position.chain == after.chain:
        return position.seq < after.seq
    return (-position.time, position.chain) > (-after.time, after.chain)


def make_cursor(position: Position) -> str:
    text = f"{position.time}:{position.chain}:{position.seq}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> Position:
    """Raises ValueError."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
        time, chain, seq = text.split(":")
        position = Position(int(time), chain, int(seq))
    except ValueError:
        position = None
    if position is None or not 0 <= position.time <= _LAST:
        raise ValueError(f"not a cursor: {cursor[:80]!r}")
    return position
