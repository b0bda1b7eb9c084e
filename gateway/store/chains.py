"""Whose conversation an answer was given in, for requests that go on from it by its id, at whatever worker.

Remembering never waits and never fails: what cannot be written in time is forgotten, and then the conversation goes on
under another id.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Sequence

from gateway.store.connection import Connection
from gateway.store.errors import StoreError
from gateway.store.lane import Argument

KEPT_SECONDS = 3600
_PENDING = 10_000
_CHUNK = 256
_INTERVAL = 0.05


class Chains:
    """Remembers (`remember`), writes (`run`, `flush`), finds (`find`)."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pending: deque[tuple[Sequence[str], Sequence[Argument]]] = deque(maxlen=_PENDING)
        self._dirty = asyncio.Event()

    def remember(self, agent_id: str, answer_id: str, conversation: str, turn: int) -> None:
        """An answer was the `turn`-th of this conversation. In memory."""
        self._pending.append(([self._key(agent_id, answer_id)], [f"{turn} {conversation}", KEPT_SECONDS]))
        self._dirty.set()

    async def find(self, agent_id: str, answer_id: str) -> tuple[str, int] | None:
        """Conversation and turn of an answer of the last hour; None if Redis does not know or does not answer."""
        try:
            found = await self._connection.execute("GET", self._key(agent_id, answer_id))
        except StoreError:
            return None
        if found is None:
            return None
        turn, _, conversation = found.decode().partition(" ")
        return conversation, int(turn)

    async def run(self) -> None:
        """Write what is to be remembered, until cancelled."""
        while True:
            await self._dirty.wait()
            await asyncio.sleep(_INTERVAL)
            self._dirty.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write what is to be remembered now; what Redis does not take is forgotten."""
        while self._pending:
            some = [self._pending.popleft() for _ in range(min(_CHUNK, len(self._pending)))]
            await self._connection.scripts("keep_value", some)

    def _key(self, agent_id: str, answer_id: str) -> str:
        # A provider's ids are of any length and form.
        digest = hashlib.blake2b(f"{agent_id}\x00{answer_id}".encode("utf-8", "replace"), digest_size=16).hexdigest()
        return self._connection.keys.chain(digest)
