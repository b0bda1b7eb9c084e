"""From where each agent's key is used: kinds of clients and networks, 64 of both together.

Noting never waits and never fails; what nobody has room for is not said.
"""

import logging
from collections.abc import Callable

from gateway.model.bounded import make_room
from gateway.model.value import value
from gateway.store.connection import Connection
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.lane import Argument
from gateway.store.write_behind import WriteBehind

logger = logging.getLogger(__name__)

_MOST = 64
_KNOWN = 20_000
_PENDING = 2_000
_CHUNK = 64
_AGAIN = 10
"""What is in use is noted again after this part of its life."""


@value
class Place:
    """A kind of client and a network from which an agent's key was used."""

    agent_id: str
    client: str
    network: str


class KnownClients:
    """Notes (`note`), writes (`run`, `flush`).

    Args:
        on_new: told, with what was noted along with it, of a place of which neither the client nor the network was
            known, of an agent of which others are.
        keep_seconds: life of what is known of an agent that does nothing.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        connection: Connection,
        on_new: Callable[[Place, str], object] = lambda place, request_id: None,
        *,
        keep_seconds: int,
        clock: Callable[[], float],
        interval: float = 0.05,
    ) -> None:
        self._connection = connection
        self.on_new = on_new
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._known: dict[Place, float] = {}
        self._pending: dict[Place, str] = {}
        self._writing = WriteBehind(self.flush, interval)

    def note(self, place: Place, request_id: str) -> None:
        """In memory."""
        noted = self._known.get(place)
        if noted is not None and self._clock() - noted < self._keep_seconds / _AGAIN:
            return
        if place not in self._pending and len(self._pending) < _PENDING:
            self._pending[place] = request_id
            self._writing.wake()

    async def run(self) -> None:
        """Write while there is something to write, until cancelled; then what is left, once."""
        await self._writing.run()

    async def flush(self) -> bool:
        """Write what waits now. False if Redis does not answer: it goes on waiting."""
        while self._pending:
            some = list(self._pending)[:_CHUNK]
            keys, room = self._connection.keys, (_MOST, self._keep_seconds)
            calls: list[tuple[list[str], list[Argument]]] = [
                ([keys.clients(place.agent_id)], [place.client, place.network, *room]) for place in some
            ]
            complete = True
            for place, reply in zip(some, await self._connection.scripts("note_client", calls), strict=True):
                if isinstance(reply, StoreUnavailable):
                    complete = False
                    continue
                request_id = self._pending.pop(place)
                if isinstance(reply, StoreError):
                    logger.error("Redis refused from where agent %s calls: %s", place.agent_id, reply)
                    continue
                self._known.pop(place, None)
                make_room(self._known, _KNOWN)  # callers choose their clients
                self._known[place] = self._clock()
                known, client, network = reply
                if known and not client and not network:
                    self.on_new(place, request_id)
            if not complete:
                return False
        return True
