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
_NAMES = _FIELDS.index("tool_names")
_LONG = 1024  # bytes of a row, above which its texts are cut
_LONGEST = 200
_MOST_NAMES = 64


@dataclass(frozen=True, slots=True)
class Kept:
    """How many rows of one agent are kept, and for how many seconds."""

    count: int = 1000
    seconds: int = 7 * 86_400


USUAL = Kept()


def packed(vitals: Vitals) -> bytes:
    """One row: a JSON list of all members, in their order, but the agent's id, which is in the key."""
    try:
        row = orjson.dumps(_values(vitals))
        if len(row) <= _LONG:
            return row
        return orjson.dumps(_cut(vitals))
    except orjson.JSONEncodeError:  # a model's name can hold lone surrogates, a provider name a huge number
        return orjson.dumps(plain(_cut(vitals)))


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
    """A row of this version, of a newer one, whose further members are left out, or of an older one, which named them.

    Raises ValueError or TypeError: it is none.
    """
    members = orjson.loads(row)
    if type(members) is dict:
        named = {name: members[name] for name in _FIELDS if name in members}
        named["tool_names"] = tuple(named.get("tool_names", ()))
        return Vitals(agent_id=agent_id, **{"dialect": None, "provider": None, "model": None, **named})
    if len(members) <= _NAMES:
        raise ValueError("not a row of vitals")
    members[_NAMES] = tuple(members[_NAMES])
    return Vitals(agent_id, *members[: len(_FIELDS)])


def _cut(vitals: Vitals) -> list[Any]:
    """Its members where callers, models and providers have given things long names; how many there were stays."""
    row = [value[:_LONGEST] if type(value) is str else value for value in _values(vitals)]
    row[_NAMES] = [name[:_LONGEST] for name in vitals.tool_names[:_MOST_NAMES]]
    return row


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
