"""The vitals of an agent's latest exchanges, one row each. Written by `Agents.flush`, with what else was seen."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

import orjson

from gateway.model.vitals import Vitals
from gateway.store.connection import Connection
from gateway.store.lane import Argument

_FIELDS = tuple(field.name for field in fields(Vitals) if field.name != "agent_id")
_values = attrgetter(*_FIELDS)
_DEFAULTS = tuple(field.default for field in fields(Vitals) if field.name in _FIELDS)
_LONGEST = 200
_MOST_NAMES = 64


@dataclass(frozen=True, slots=True)
class Kept:
    """How many rows of one agent are kept, and for how many seconds."""

    count: int = 1000
    seconds: int = 7 * 86_400


USUAL = Kept()


def packed(vitals: Vitals) -> bytes:
    """One row: JSON of what is not as it usually is. The agent's id is in the key."""
    row = {
        name: value[:_LONGEST] if type(value) is str else value
        for name, value, default in zip(_FIELDS, _values(vitals), _DEFAULTS, strict=True)
        if value != default
    }
    if vitals.tool_names:  # models name them; how many there were is told apart
        row["tool_names"] = [name[:_LONGEST] for name in vitals.tool_names[:_MOST_NAMES]]
    try:
        return orjson.dumps(row)
    except orjson.JSONEncodeError:  # a model's name can hold lone surrogates, a provider name a huge number
        return orjson.dumps({name: plain(value) for name, value in row.items()})


class Packing:
    """Packs each exchange once for those who write its row one after the other."""

    def __init__(self) -> None:
        self._last: Vitals | None = None
        self._row = b""

    def __call__(self, vitals: Vitals) -> bytes:
        if vitals is not self._last:
            self._last, self._row = vitals, packed(vitals)
        return self._row


def unpacked(agent_id: str, row: bytes) -> Vitals:
    """A row of this or of a newer version, whose further members are left out."""
    document = orjson.loads(row)
    members = {name: document[name] for name in _FIELDS if name in document}
    members["tool_names"] = tuple(members.get("tool_names", ()))
    return Vitals(agent_id=agent_id, **{"dialect": None, "provider": None, "model": None, **members})


def nanodollars(vitals: Vitals) -> int:
    """What an exchange cost, as an integer to add up."""
    return 0 if vitals.cost_usd is None else round(vitals.cost_usd * 1e9)


class VitalsLog:
    """Reads rows."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def latest(
        self, agent_id: str, limit: int, *, since: float = 0.0, cursor: str | None = None
    ) -> tuple[Sequence[Vitals], str | None]:
        """One page of an agent's vitals, the latest first, and the cursor of the next page or None.

        Args:
            since: seconds since the epoch; exchanges that ended before it are left out.
            cursor: as an earlier page gave it; raises ValueError for anything else.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        end = "+" if cursor is None else "(" + _checked(cursor)
        arguments: list[Argument] = [end, int(since * 1000), limit]
        flat = await self._connection.script("latest_rows", [self._connection.keys.vitals(agent_id)], arguments)
        rows = [unpacked(agent_id, row) for row in flat[1::2]]
        following = flat[-2].decode() if len(rows) == limit and rows else None
        return [row for row in rows if row.time >= since], following


def _checked(cursor: str) -> str:
    # As Redis writes ids, within the range it reads: two numbers of 64 bits, of which the first is a time.
    if not re.fullmatch(r"[1-9][0-9]{0,18}-[0-9]{1,19}", cursor):
        raise ValueError(f"not a cursor: {cursor[:80]!r}")
    return cursor


def plain(value: Any) -> Any:
    """The same value as JSON can hold it: no lone surrogates, no huge integers."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {plain(str(name)): plain(member) for name, member in value.items()}
    if isinstance(value, tuple | list):
        return [plain(member) for member in value]
    return max(-(2**53), min(value, 2**53)) if isinstance(value, int) else value
