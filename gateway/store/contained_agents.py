"""Which agents were stopped beyond being blocked, so that whoever looks after them next neither forgets one nor begins
again."""

import orjson

from gateway.model.value import value
from gateway.store.connection import Connection


@value
class Contained:
    """One agent. `blocked_at` (seconds since the epoch) tells its block from a later one. `begun` are the strategies
    that may have been used, `done` those that were."""

    incident_id: str
    blocked_at: float
    begun: tuple[str, ...] = ()
    done: tuple[str, ...] = ()


class ContainedAgents:
    """Every method raises StoreUnavailable where Redis does not answer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._key = connection.keys.contained

    async def all(self) -> dict[str, Contained]:
        """By agent id."""
        flat = await self._connection.execute("HGETALL", self._key)
        pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
        return {agent_id.decode(): _read(kept) for agent_id, kept in pairs}

    async def put(self, agent_id: str, contained: Contained) -> None:
        one = contained
        kept = orjson.dumps([one.incident_id, one.blocked_at, one.begun, one.done])
        await self._connection.execute("HSET", self._key, agent_id, kept)

    async def remove(self, agent_id: str) -> None:
        await self._connection.execute("HDEL", self._key, agent_id)


def _read(kept: bytes) -> Contained:
    incident_id, blocked_at, begun, done, *_ = orjson.loads(kept)
    return Contained(incident_id, blocked_at, tuple(begun), tuple(done))
