"""How large answers of each agent may become before they are cut, as whoever watches it has left it in its record.

Answered from memory at once. What is not known yet, or is old, is read in the background, for the next time; without
Redis what was known last holds.
"""

import math
from collections.abc import Callable, Mapping

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

_MODELS = 1000
_CHUNK = 128

_Row = tuple[int | None, float | None, int | None]


class AgentCaps:
    """Answers (`of`), reads (`run`, `flush`), and keeps what the fleet's caps are (`widen`).

    In Redis: the field `p` of an agent's record and the hash of the fleet have, by model as `immune.state.short` names
    it, output tokens, seconds and tool calls, as JSON, null where there is no limit.

    Args:
        clock: monotonic seconds.
        most: agents that are remembered, those used last.
    """

    def __init__(
        self, connection: Connection, *, clock: Callable[[], float], most: int = 20_000, interval: float = 0.005
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._most = most
        self._own: dict[str, tuple[float, Mapping[str, Caps]]] = {}
        self._fleet: Mapping[str, Caps] = {}
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
        fleet = self._fleet.get(name, NONE)
        if own is NONE or fleet is NONE:
            return fleet if own is NONE else own
        return Caps(
            fleet.output_tokens if own.output_tokens is None else own.output_tokens,
            fleet.seconds if own.seconds is None else own.seconds,
            fleet.tool_calls if own.tool_calls is None else own.tool_calls,
        )

    async def widen(self, rows: Mapping[str, _Row]) -> None:
        """Let the fleet's caps be at least these, by model; see `immune.caps.agent_caps`. Raises StoreUnavailable."""
        arguments: list[Argument] = [_MODELS]
        for name, row in rows.items():
            arguments += [name, *("" if one is None else one for one in row)]
        if rows:
            await self._connection.script("widen_caps", [self._connection.keys.fleet("caps")], arguments)

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
                self._fleet = {name.decode(): _caps(_read(row)) for name, row in pairs}
        while self._wanted:
            some = [self._wanted.popitem()[0] for _ in range(min(_CHUNK, len(self._wanted)))]
            replies = await self._connection.scripts("read_fields", [([keys.watched(one)], ["p"]) for one in some])
            for agent_id, reply in zip(some, replies, strict=True):
                known = self._own.get(agent_id)
                if known is None or isinstance(reply, StoreError):
                    continue
                found = _read(reply[0][0] or b"{}")
                by_model = {name: _caps(row) for name, row in found.items()} if isinstance(found, dict) else {}
                self._own[agent_id] = known[0], by_model
        return True

    def _want(self, agent_id: str, now: float, known: Mapping[str, Caps]) -> None:
        self._own.pop(agent_id, None)
        make_room(self._own, self._most)  # callers choose the ids
        self._own[agent_id] = now, known
        if len(self._wanted) < self._most:
            self._wanted[agent_id] = None
            self._reading.wake()


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
