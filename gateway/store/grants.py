"""Grants: a call that a model proposed through the gateway, and that was allowed, may be executed once.

Two equal calls are two grants. Each is good for ten minutes from its own proposal, and not after its agent was
quarantined. Whatever cannot be written or read does not count as granted.
"""

from collections.abc import Callable, Sequence

from gateway.store.connection import Connection
from gateway.store.lane import Argument

LIFE_SECONDS = 600
MOST = 100
"""Grants of equal calls that are kept, the newest."""


class Grants:
    """Every method raises StoreUnavailable: then nothing may be executed. Digests are those of `call_digest`.

    Args:
        before: no grant of an agent that was minted by then is good, seconds since the epoch.
    """

    def __init__(self, connection: Connection, *, before: Callable[[str], float] = lambda agent_id: 0.0) -> None:
        self._connection = connection
        self._before = before

    async def mint(self, agent_id: str, digests: Sequence[str]) -> None:
        """Let each of these calls be executed once more, within ten minutes."""
        if digests:
            await self._connection.script("mint_grants", self._keys(agent_id, digests), [LIFE_SECONDS * 1000, MOST])

    async def any(self, agent_id: str, digests: Sequence[str]) -> bool:
        """Whether a call was proposed under any of these, and not executed yet."""
        (found,) = await self._connection.script(
            "take_grant", self._keys(agent_id, digests), [*self._good(agent_id), 0]
        )
        return bool(found)

    async def consume(self, agent_id: str, digests: Sequence[str]) -> bool:
        """Whether a call may be executed now, and so not again, which may have been proposed under any of these."""
        (taken,) = await self._connection.script(
            "take_grant", self._keys(agent_id, digests), [*self._good(agent_id), 1]
        )
        return bool(taken)

    async def hand_over(self, agent_id: str, digests: Sequence[str], token_id: str, *, seconds: int) -> bool:
        """Whether the call that has all these grants may be executed by whoever has this token, and so not otherwise.

        Args:
            seconds: for which the same token may be asked for again.
        """
        keys = [self._connection.keys.grant(agent_id, f"taken:{token_id}"), *self._keys(agent_id, digests)]
        (taken,) = await self._connection.script("take_grants", keys, [*self._good(agent_id), seconds])
        return bool(taken)

    async def once(self, agent_id: str, name: str, *, since: float, seconds: int) -> bool:
        """Whether nobody has asked this of this name of the agent's within these seconds. Never of what began before
        the agent was quarantined; `since` in seconds since the epoch."""
        if since <= self._before(agent_id):
            return False
        key = self._connection.keys.grant(agent_id, f"taken:{name}")
        return await self._connection.execute("SET", key, 1, "NX", "EX", seconds) is not None

    def _good(self, agent_id: str) -> list[Argument]:
        return [LIFE_SECONDS * 1000, round(self._before(agent_id) * 1000)]

    def _keys(self, agent_id: str, digests: Sequence[str]) -> list[str]:
        return [self._connection.keys.grant(agent_id, digest) for digest in digests]
