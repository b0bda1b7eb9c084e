"""Grants: a call that a model proposed through the gateway, and that was allowed, may be executed once.

Two equal calls are two grants. Whatever cannot be written or read does not count as granted.
"""

from collections.abc import Sequence

from gateway.store.connection import Connection

LIFE_SECONDS = 600


class Grants:
    """Every method raises StoreUnavailable: then nothing may be executed. Digests are those of `call_digest`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def mint(self, agent_id: str, digests: Sequence[str]) -> None:
        """Let each of these calls be executed once more, within ten minutes."""
        if digests:
            await self._connection.script("mint_grants", self._keys(agent_id, digests), [LIFE_SECONDS])

    async def any(self, agent_id: str, digests: Sequence[str]) -> bool:
        """Whether a call was proposed under any of these, and not executed yet."""
        return bool(await self._connection.execute("EXISTS", *self._keys(agent_id, digests)))

    async def consume(self, agent_id: str, digests: Sequence[str]) -> bool:
        """Whether a call may be executed now, and so not again, which may have been proposed under any of these."""
        (taken,) = await self._connection.script("take_grant", self._keys(agent_id, digests))
        return bool(taken)

    def _keys(self, agent_id: str, digests: Sequence[str]) -> list[str]:
        return [self._connection.keys.grant(agent_id, digest) for digest in digests]
