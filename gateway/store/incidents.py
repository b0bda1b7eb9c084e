"""Incidents, read and changed by every replica: changes look at what others did meanwhile."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from gateway.immune.incident import Incident, dump, load
from gateway.store.connection import Connection
from gateway.store.errors import StoreError

logger = logging.getLogger(__name__)

_OF_AGENT = 1000
_BATCH = 50
_SCANNED = 1000  # incidents that one page looks at
_SWEPT = 100  # of the oldest incidents, looked at whenever one is opened


class Incidents:
    """Every method raises StoreUnavailable.

    Args:
        clock: seconds since the epoch.
        keep_seconds: how long an incident is kept after its last change.

    Attributes:
        on_change: told `opened` or `closed` of each incident that was opened or closed here.
    """

    def __init__(self, connection: Connection, *, clock: Callable[[], float], keep_seconds: float) -> None:
        self._connection = connection
        self._clock = clock
        self._keep_seconds = math.ceil(keep_seconds)
        self.on_change: list[Callable[[Literal["opened", "closed"]], None]] = []

    async def open(self, incident: Incident) -> Incident:
        """Remember an incident; the one that is there if its id is known already, which stays as it is."""
        written = _written(incident)
        arguments = (incident.incident_id, written, _us(incident), self._keep_seconds, _OF_AGENT)
        (raw,) = await self._connection.script("open_incident", self._names(incident), arguments)
        if raw == written:
            self._tell("opened")
        with contextlib.suppress(StoreError):  # the next one will
            await self._sweep()
        return _read(raw) or incident

    async def get(self, incident_id: str) -> Incident | None:
        raw = await self._connection.execute("GET", self._connection.keys.incident(incident_id))
        return None if raw is None else _read(raw)

    async def change(self, incident_id: str, step: Callable[[Incident], Incident]) -> Incident | None:
        """Change an incident; as it is then, None if there is none.

        Args:
            step: may be asked again, of the incident as somebody else has left it; what it raises is passed on.
        """
        key = self._connection.keys.incident(incident_id)
        while True:
            raw = await self._connection.execute("GET", key)
            before = None if raw is None else _read(raw)
            if before is None:
                return None
            after = step(before)
            if after == before:
                return before
            open = int(after.closed_at is None)
            arguments = (incident_id, raw, _written(after), _us(after), open, self._keep_seconds)
            (done,) = await self._connection.script("change_incident", self._names(after), arguments)
            if done:
                if (before.closed_at is None) is not (after.closed_at is None):
                    self._tell("opened" if after.closed_at is None else "closed")
                return after

    async def page(
        self, *, agent_id: str | None = None, open: bool | None = None, limit: int = 100, cursor: str = ""
    ) -> tuple[list[Incident], str | None]:
        """The latest opened first, and where to go on; a page may have fewer than `limit` before the last.

        Raises ValueError for a cursor that `page` did not give.
        """
        keys = self._connection.keys
        index = keys.incidents_open if open else keys.incidents_index
        if agent_id is not None:
            index = keys.incidents_of(agent_id)
        after = _place(cursor) if cursor else None
        found: list[Incident] = []
        for _ in range(_SCANNED // _BATCH):
            places = await self._places(index, after)
            incidents = await self._read_all([id for _, id in places])
            for place, incident in zip(places, incidents, strict=True):
                after = place
                if incident is not None and open in (None, incident.closed_at is None):
                    found.append(incident)
                    if len(found) == limit:
                        return found, _cursor(place)
            if len(places) < _BATCH:
                return found, None
        return found, None if after is None else _cursor(after)

    def _tell(self, what: Literal["opened", "closed"]) -> None:
        for listener in self.on_change:
            listener(what)

    async def _places(self, index: str, after: tuple[int, str] | None) -> list[tuple[int, str]]:
        """The next ones of an index. Of those opened in the same microsecond, in the order of Redis, by id."""
        start: tuple[str, int] = ("", 0) if after is None else (after[1], after[0])
        flat = await self._connection.script("list_agents", [index], [_BATCH, *start])
        return [(int(score), id.decode()) for id, score in zip(flat[::2], flat[1::2], strict=True)]

    async def _read_all(self, ids: Sequence[str]) -> list[Incident | None]:
        return list(await asyncio.gather(*map(self.get, ids)))

    async def _sweep(self) -> None:
        """Take out of the indexes what is not kept any more; those changed lately stay, however old."""
        keys, run = self._connection.keys, self._connection.execute
        before = round((self._clock() - self._keep_seconds) * 1e6)
        for index in (keys.incidents_index, keys.incidents_open):
            old = await run("ZRANGEBYSCORE", index, "-inf", before, "LIMIT", 0, _SWEPT)
            kept = await asyncio.gather(*(run("EXISTS", keys.incident(id.decode())) for id in old))
            gone = [id for id, there in zip(old, kept, strict=True) if not there]
            if gone:
                await run("ZREM", index, *gone)

    def _names(self, incident: Incident) -> tuple[str, ...]:
        keys = self._connection.keys
        record, of_agent = keys.incident(incident.incident_id), keys.incidents_of(incident.agent_id)
        return record, keys.incidents_index, keys.incidents_open, of_agent


def _written(incident: Incident) -> bytes:
    return dump(replace(incident, detail=dict(incident.detail)))


def _read(raw: bytes) -> Incident | None:
    try:
        return load(raw)
    except (ValueError, TypeError, KeyError) as error:
        logger.warning("an incident cannot be read: %s", error)
        return None


def _us(incident: Incident) -> int:
    return round(incident.opened_at * 1e6)


def _cursor(place: tuple[int, str]) -> str:
    return f"{place[0]}-{place[1]}"


def _place(cursor: str) -> tuple[int, str]:
    at, dash, incident_id = cursor.partition("-")
    if not dash or not at.isascii() or not at.isdigit() or len(at) > 16:
        raise ValueError("is not a cursor of this list")
    return int(at), incident_id
