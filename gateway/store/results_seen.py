"""Which sessions of agents have read results of tools, and may have read what somebody put there, on any replica.

A session is what an agent calls so; requests that name none may belong to any. Kept for an hour.
"""

import hashlib
from collections.abc import Callable

from gateway.model.bounded import make_room
from gateway.store.connection import Connection
from gateway.store.lane import Argument

_AGAIN_SECONDS = 600.0
LIFE_SECONDS = 3600 + int(_AGAIN_SECONDS)
"""Of what is noted at most so often."""
_MOST = 1000
_KNOWN = 10_000


class ResultsSeen:
    """Both raise StoreUnavailable.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, connection: Connection, *, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock
        self._noted: dict[tuple[str, str], float] = {}

    async def note(self, agent_id: str, session: str | None) -> None:
        """Remember that a session is about to read the result of a tool. Costs nothing soon after it did."""
        now, place = self._clock(), (agent_id, session or "")
        if now - self._noted.get(place, float("-inf")) < _AGAIN_SECONDS:
            return
        await self._connection.script("note_results", self._keys(agent_id), [LIFE_SECONDS, _MOST, _digest(session)])
        make_room(self._noted, _KNOWN)  # callers choose the sessions
        self._noted[place] = now

    async def any(self, agent_id: str, session: str | None) -> bool:
        """Whether this session has, or one that nobody named; without a name: whether any of the agent's has."""
        args: list[Argument] = [LIFE_SECONDS, 0, _digest(session)] if session else [LIFE_SECONDS, 1]
        (found,) = await self._connection.script("read_results", self._keys(agent_id), args)
        return bool(found)

    def _keys(self, agent_id: str) -> list[str]:
        return [self._connection.keys.results(agent_id)]


def _digest(session: str | None) -> str:
    if not session:
        return ""
    return hashlib.blake2b(session.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
