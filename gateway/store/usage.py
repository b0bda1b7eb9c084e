"""What was used, by day (UTC) and by agent, model, provider and team. Counted in memory, added up in Redis."""

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from gateway.model.agent import Agent
from gateway.model.vitals import Vitals
from gateway.store.connection import Connection
from gateway.store.errors import CommandRefused, StoreError, StoreUnavailable
from gateway.store.lane import Argument
from gateway.store.vitals import nanodollars

logger = logging.getLogger(__name__)

BY = ("agent", "model", "provider", "team")
NONE = ""
OTHER = "~other"
KEPT_DAYS = 400

_FIELDS = ("requests", "errors", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "tool_calls")
_LETTERS = dict(zip("reioctk", _FIELDS, strict=True))
_NAMES_LIMIT = 10_000
_PENDING_LIMIT = 2000
_LONGEST_NAME = 200
_MOST = 10**12

_Names = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """Sums under one name: an id, a model, …; None where there was none, `~other` past ten thousand names a day.

    `cost` is in nanodollars.
    """

    name: str | None
    requests: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    tool_calls: int = 0
    cost: int = 0


class UsageCounter:
    """Counts exchanges and writes the counts. What could not be written is kept, and written once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._writer = secrets.token_hex(4)
        self._number = 0
        self._pending: dict[str, dict[_Names, list[int]]] = {}
        self._day = (0, "")
        self._sending: tuple[str, list[Argument]] | None = None

    def add(self, agent: Agent, vitals: Vitals) -> None:
        """Count one exchange. Who was never answered names no model: anyone can ask for made-up ones."""
        number = int(vitals.time // 86_400)
        if number != self._day[0]:
            self._day = (number, datetime.fromtimestamp(vitals.time, UTC).date().isoformat())
        rows = self._pending.setdefault(self._day[1], {})
        worked = vitals.status < 400 or vitals.input_tokens > 0
        model = vitals.model if worked else OTHER
        names = (agent.agent_id, model or NONE, vitals.provider or NONE, agent.owner_team or NONE)
        row = rows.get(names)
        if row is None:
            if len(rows) >= _PENDING_LIMIT:
                names = (OTHER, OTHER, vitals.provider or NONE, OTHER)
            row = rows.setdefault(names, [0] * (len(_FIELDS) + 1))
        row[0] += 1
        row[1] += vitals.error_type is not None or vitals.status >= 400
        row[2] += vitals.input_tokens
        row[3] += vitals.output_tokens
        row[4] += vitals.cached_tokens
        row[5] += vitals.reasoning_tokens
        row[6] += vitals.tool_calls
        row[7] += nanodollars(vitals)

    async def flush(self) -> bool:
        """Write all that is pending; False if something could not be written."""
        while self._sending is not None or self._pending:
            if self._sending is None:
                day = next(iter(self._pending))
                self._number += 1
                self._sending = day, self._arguments(self._pending.pop(day))
            day, arguments = self._sending
            keys = [self._connection.keys.usage(day, by) for by in BY]
            try:
                await self._connection.script("add_usage", keys, arguments)
            except StoreUnavailable:
                return False  # it keeps its number, so that Redis can tell if it was written after all
            except CommandRefused as error:
                logger.error("Redis refused what was used: %s", error)
            self._sending = None
        return True

    def _arguments(self, rows: dict[_Names, list[int]]) -> list[Argument]:
        arguments: list[Argument] = [self._writer, self._number, KEPT_DAYS * 86_400, _NAMES_LIMIT]
        for position in range(len(BY)):
            sums: dict[str, list[int]] = {}
            for names, row in rows.items():
                known = sums.get(names[position])
                sums[names[position]] = row if known is None else [a + b for a, b in zip(known, row, strict=True)]
            arguments.append(len(sums))
            for name, row in sums.items():
                arguments.append(name[:_LONGEST_NAME].encode("utf-8", "replace"))
                arguments += [max(0, min(value, _MOST * 1000)) for value in row]
        return arguments


class UsageLog:
    """Reads sums."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def read(self, by: str, since: date, until: date) -> Sequence[UsageRecord]:
        """The sums over these days, both included, the most expensive first.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        days = [since + timedelta(days=n) for n in range(min(KEPT_DAYS, (until - since).days + 1))]
        keys = self._connection.keys
        replies = await self._connection.scripts("read_hash", [([keys.usage(d.isoformat(), by)], ()) for d in days])
        sums: dict[str, dict[str, int]] = {}
        for reply in replies:
            if isinstance(reply, StoreError):
                raise reply.again()
            _add(sums, reply)
        records = [UsageRecord(name or None, **row) for name, row in sums.items()]
        return sorted(records, key=lambda record: (-record.cost, -record.requests, record.name or ""))


def _add(sums: dict[str, dict[str, int]], flat: Sequence[bytes]) -> None:
    for raw, value in zip(flat[::2], flat[1::2], strict=True):
        letter, colon, name = raw.decode("utf-8", "replace").partition(":")
        field = "cost" if letter == "u" else _LETTERS.get(letter)
        if colon and field is not None:
            row = sums.setdefault(name, {})
            row[field] = row.get(field, 0) + int(value)
