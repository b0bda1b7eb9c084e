"""Sessions of the operators' page that ended before their time: whoever still holds one has nothing, on any replica."""

import asyncio

from gateway.store.connection import Connection


class EndedSessions:
    """What is kept is only what ended early; a session says itself when it is over.

    Sessions begin in a generation of their key. A new generation ends all earlier ones, whatever clocks say.

    Args:
        keep_seconds: longer than any session can last.
    """

    def __init__(self, connection: Connection, *, keep_seconds: float) -> None:
        self._connection = connection
        self._keys = connection.keys
        self._keep_seconds = int(keep_seconds)

    async def generation(self, key_id: str) -> str:
        """In which the sessions of an admin key begin now; empty if none had to end lately. Raises StoreUnavailable."""
        found: bytes | None = await self._connection.execute("GET", self._keys.session_generation(key_id))
        return "" if found is None else found.decode("ascii", "replace")

    async def has(self, key_id: str, session_id: str, generation: str) -> bool:
        """Whether a session has ended, in one round trip. Raises StoreUnavailable."""
        ended, now = await asyncio.gather(
            self._connection.execute("EXISTS", self._keys.ended_session(session_id)), self.generation(key_id)
        )
        return bool(ended) or now not in ("", generation)

    async def end(self, session_id: str) -> None:
        """End one. Raises StoreUnavailable."""
        await self._connection.execute("SET", self._keys.ended_session(session_id), "1", "EX", self._keep_seconds)

    async def end_all(self, key_id: str, generation: str) -> None:
        """End all of a key; `generation` was never used before. Raises StoreUnavailable."""
        key = self._keys.session_generation(key_id)
        await self._connection.execute("SET", key, generation, "EX", self._keep_seconds)
