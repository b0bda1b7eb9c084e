"""How large answers of each agent may become before they are cut, as whoever watches it has left it in its record.

Answered from memory at once. What is not known yet, or is old, is read in the background, for the next time; without
Redis what was known last holds.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from zlib import crc32

import orjson

from gateway.immune.caps import NONE, Caps
from gateway.immune.state import short
from gateway.model.bounded import make_room
from gateway.store.connection import Connection
from gateway.store.errors import StoreError
from gateway.store.lane import Argument
from gateway.store.write_behind import WriteBehind

FRESH_SECONDS = 10.0
"""So long nothing is read again."""

_MOST = 20_000  # agents whose caps are in memory
_MODELS = 1000
_KINDS, _ENOUGH = 16, 3
_NOBODY = NONE, 0
_CHUNK = 128

_Row = tuple[int | None, float | None, int | None]


class AgentCaps:
    """Answers (`of`), reads (`run`, `flush`). What it reads of an agent is the fleet's too, as far as it is wider.

    In Redis: the field `p` of an agent's record and the hash of the fleet have, by model as `immune.state.short` names
    it, output tokens, seconds and tool calls, as JSON, null where there is no limit. The fleet's row has a fourth
    number: a bit for each of 16 kinds of agents that are in it; from three on it says something about one more.

    Args:
        clock: monotonic seconds.
        most: agents that are remembered, those used last.
    """

    def __init__(
        self, connection: Connection, *, clock: Callable[[], float], most: int | None = None, interval: float = 0.005
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._most = _MOST if most is None else most
        self._own: dict[str, tuple[float, Mapping[str, Caps]]] = {}
        self._fleet: Mapping[str, tuple[Caps, int]] = {}
        self._fleet_at = -math.inf
        self._wanted: dict[str, None] = {}
        self._reading = WriteBehind(self.flush, interval)

    def of(self, agent_id: str, model: str | None) -> Caps:
        """Of an answer. Where nothing is known of the agent and this model, as of any agent of the fleet."""
        now, known = self._clock(), self._own.get(agent_id)
        if known is None or now - known[0] >= FRESH_SECONDS:
            self._want(agent_id, now, {} if known is None else known[1])
        name = short(model or "")
        own = NONE if known is None else known[1].get(name, NONE)
        if own is not NONE:
            return own
        fleet, agents = self._fleet.get(name, _NOBODY)
        return NONE if agents.bit_count() < _ENOUGH else fleet

    async def run(self) -> None:
        """Read what is asked for, until cancelled."""
        await self._reading.run()

    async def flush(self) -> bool:
        """Read what was asked for, now. What Redis does not say is asked for again when it is used, in a while."""
        keys = self._connection.keys
        if self._wanted and self._clock() - self._fleet_at >= FRESH_SECONDS:
            self._fleet_at = self._clock()
            (reply,) = await self._connection.scripts("read_hash", [([keys.fleet("caps")], ())])
            if not isinstance(reply, StoreError):
                pairs = zip(reply[::2], reply[1::2], strict=True)
                self._fleet = {name.decode(): _fleets(_read(row)) for name, row in pairs}
        found: list[tuple[str, Caps, int]] = []
        while self._wanted:
            some = [self._wanted.popitem()[0] for _ in range(min(_CHUNK, len(self._wanted)))]
            replies = await self._connection.scripts("read_fields", [([keys.watched(one)], ["p"]) for one in some])
            for agent_id, reply in zip(some, replies, strict=True):
                known = self._own.get(agent_id)
                if known is None or isinstance(reply, StoreError):
                    continue
                kept = _read(reply[0][0] or b"{}")
                rows = kept.items() if isinstance(kept, dict) else ()
                by_model = {name: caps for name, row in rows if (caps := _caps(row)) != NONE}
                self._own[agent_id] = known[0], by_model
                kind = 1 << crc32(agent_id.encode("utf-8", "replace")) % _KINDS
                found += [(name, caps, kind) for name, caps in by_model.items()]
        await self._widen([one for one in found if _wider(one, self._fleet.get(one[0], _NOBODY))])
        return True

    async def _widen(self, many: Sequence[tuple[str, Caps, int]]) -> None:
        """Let the fleet's caps be at least these. What Redis does not take is said again."""
        arguments: list[Argument] = [_MODELS]
        for name, caps, kind in many:
            arguments += [name, kind, *("" if one is None else one for one in _row(caps))]
        if many:
            await self._connection.scripts("widen_caps", [([self._connection.keys.fleet("caps")], arguments)])

    def _want(self, agent_id: str, now: float, known: Mapping[str, Caps]) -> None:
        self._own.pop(agent_id, None)
        make_room(self._own, self._most)  # callers choose the ids
        self._own[agent_id] = now, known
        if len(self._wanted) < self._most:
            self._wanted[agent_id] = None
            self._reading.wake()


def _row(caps: Caps) -> _Row:
    return caps.output_tokens, caps.seconds, caps.tool_calls


def _wider(one: tuple[str, Caps, int], fleet: tuple[Caps, int]) -> bool:
    _, caps, kind = one
    pairs = zip(_row(caps), _row(fleet[0]), strict=True)
    return not kind & fleet[1] or any(new is not None and new > (old or 0) for new, old in pairs)


def _fleets(row: object) -> tuple[Caps, int]:
    match row:
        case [*three, int() as agents] if len(three) == 3:
            caps = _caps(three)
            return NONE if caps == NONE else replace(caps, fleets=True), agents
    return _NOBODY


def _read(kept: bytes) -> object:
    try:
        return orjson.loads(kept)
    except ValueError:
        return None


def _caps(row: object) -> Caps:
    """No limit for what another version has written."""
    match row:
        case [int() | None as tokens, int() | float() | None as seconds, int() | None as calls]:
            return Caps(tokens, seconds, calls)
    return NONE
