"""What is remembered of an answer, for requests that go on from it by its id, at whatever worker.

Remembering never waits and never fails: what cannot be written in time is forgotten.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Sequence

from gateway.store.connection import Connection
from gateway.store.errors import StoreError
from gateway.store.lane import Argument
from gateway.store.write_behind import WriteBehind

KEPT_SECONDS = 3600
_CHUNK = 64
_INTERVAL = 0.01


class AnswerNotes:
    """Remembers (`remember`), writes (`run`, `flush`), finds (`find`). What is remembered is opaque here.

    Args:
        key: the name of a key, from a digest.
        waiting: how many may wait to be written, the newest.
        seconds: how long each is kept.
    """

    def __init__(
        self,
        connection: Connection,
        key: Callable[[str], str],
        *,
        waiting: int = 1000,
        seconds: int = KEPT_SECONDS,
    ) -> None:
        self._connection = connection
        self._seconds = seconds
        self._name = key
        self._pending: deque[tuple[Sequence[str], Sequence[Argument]]] = deque(maxlen=waiting)
        self._writing = WriteBehind(self.flush, _INTERVAL)

    def remember(self, agent_id: str, answer_id: str, told: bytes) -> None:
        """In memory; what Redis does not take is forgotten."""
        self._pending.append(([self._key(agent_id, answer_id)], [told, self._seconds]))
        self._writing.wake()

    async def find(self, agent_id: str, answer_id: str) -> bytes | None:
        """What was remembered last; None if Redis does not know, or does not answer."""
        key = self._key(agent_id, answer_id)
        for (name,), (told, _) in reversed(self._pending):
            if name == key and isinstance(told, bytes):
                return told
        try:
            found: bytes | None = await self._connection.execute("GET", key)
        except StoreError:
            return None
        return found

    async def run(self) -> None:
        """Write what is to be remembered, until cancelled; then what is left, once."""
        await self._writing.run()

    async def flush(self) -> bool:
        """Write what is to be remembered now."""
        while self._pending:
            some = [self._pending.popleft() for _ in range(min(_CHUNK, len(self._pending)))]
            await self._connection.scripts("keep_value", some)
        return True

    def _key(self, agent_id: str, answer_id: str) -> str:
        # A provider's ids are of any length and form.
        digest = hashlib.blake2b(f"{agent_id}\x00{answer_id}".encode("utf-8", "replace"), digest_size=16).hexdigest()
        return self._name(digest)
