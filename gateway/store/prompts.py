"""System prompts of agents, encrypted, so that an agent can be given back the one that it was well with.

Noting never waits and never fails. Four are kept of each agent: those used last, and the one that its record says it
was well with.
"""

import logging
from collections.abc import Callable

from gateway.model.bounded import make_room
from gateway.store.connection import Connection
from gateway.store.errors import CommandRefused, StoreUnavailable
from gateway.store.sealed import Seal
from gateway.store.write_behind import WriteBehind

logger = logging.getLogger(__name__)

LONGEST = 64 * 1024
"""Bytes of a prompt; longer ones are not kept, because half of one would be another."""

_MOST = 4
_KNOWN = 20_000
_PENDING = 256
_AGAIN = 10
"""A prompt in use is noted again after this part of its life."""


class Prompts:
    """Notes (`note`), writes (`run`, `flush`), finds (`get`, `has`).

    Args:
        seal: with a purpose of its own.
        keep_seconds: life of a prompt that nobody uses.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        connection: Connection,
        seal: Seal,
        *,
        keep_seconds: int,
        clock: Callable[[], float],
        interval: float = 0.05,
    ) -> None:
        self._connection = connection
        self._seal = seal
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._known: dict[tuple[str, str], float] = {}
        self._pending: dict[tuple[str, str], str] = {}
        self._writing = WriteBehind(self.flush, interval)

    def knows(self, agent_id: str, prompt_hash: str) -> bool:
        """Whether this process has noted it not long ago."""
        noted = self._known.get((agent_id, prompt_hash))
        return noted is not None and self._clock() - noted < self._keep_seconds / _AGAIN

    def note(self, agent_id: str, prompt_hash: str, text: str) -> None:
        """In memory. What has no room is to be noted again."""
        place = agent_id, prompt_hash
        if len(self._pending) >= _PENDING:
            return
        self._known.pop(place, None)
        make_room(self._known, _KNOWN)  # keyed by what callers send
        self._known[place] = self._clock()
        if len(text) < LONGEST and len(text.encode("utf-8", "replace")) < LONGEST:
            self._pending[place] = text
            self._writing.wake()

    async def get(self, agent_id: str, prompt_hash: str) -> str | None:
        """The prompt; None if it is not kept. Raises StoreUnavailable."""
        pending = self._pending.get((agent_id, prompt_hash))
        if pending is not None:
            return pending
        kept = await self._connection.execute("GET", self._connection.keys.prompt(agent_id, prompt_hash))
        if kept is None:
            return None
        try:
            return self._seal.open(kept.decode(), f"{agent_id}/{prompt_hash}").decode()
        except ValueError as error:
            logger.error("A system prompt of agent %s cannot be read: %s", agent_id, error)
            return None

    async def has(self, agent_id: str, prompt_hash: str) -> bool:
        """Whether it is kept. Raises StoreUnavailable."""
        key = self._connection.keys.prompt(agent_id, prompt_hash)
        return (agent_id, prompt_hash) in self._pending or bool(await self._connection.execute("EXISTS", key))

    async def run(self) -> None:
        """Write while there is something to write, until cancelled; then what is left, once."""
        await self._writing.run()

    async def flush(self) -> bool:
        """Write what waits now. False if Redis does not answer: it goes on waiting."""
        for place, text in list(self._pending.items()):
            try:
                await self._keep(*place, text)
            except StoreUnavailable:
                return False
            except CommandRefused as error:
                logger.error("Redis refused a system prompt of agent %s: %s", place[0], error)
            del self._pending[place]
        return True

    async def _keep(self, agent_id: str, prompt_hash: str, text: str) -> None:
        keys = self._connection.keys
        sealed = self._seal.seal(text.encode("utf-8", "replace"), f"{agent_id}/{prompt_hash}")
        names = [keys.prompts(agent_id), keys.prompt(agent_id, prompt_hash), keys.watched(agent_id)]
        dropped = await self._connection.script("keep_prompt", names, [prompt_hash, sealed, _MOST, self._keep_seconds])
        for one in dropped:
            self._known.pop((agent_id, one.decode()), None)
        if dropped:
            await self._connection.execute("DEL", *(keys.prompt(agent_id, one.decode()) for one in dropped))
