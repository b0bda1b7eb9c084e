"""Messages for webhooks, one queue an endpoint, shared by all replicas: each is delivered at least once.

A replica that takes a message has the length of one try to say what became of it; if it does not, another one takes
it. A message that is of no use any more, or has to make room, goes undelivered and is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.store.connection import Connection

MOST = 2000
"""Messages that wait for one endpoint."""

_LIFE_MS = 2 * 86_400_000
_SETTLED_MS = 600_000


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `until` is when it is of no use any more, seconds since the epoch; `tries` counts this one."""

    id: str
    body: bytes
    until: float
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Claimed:
    """Messages to try now, and those to give up; `wait` is how many seconds later the next ones are due, None if
    nothing waits."""

    due: tuple[Message, ...]
    over: tuple[Message, ...]
    wait: float | None


class WebhookQueues:
    """`endpoint` names a queue. Every method raises StoreUnavailable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, endpoint: str, message: Message) -> int:
        """Add a message once; how many others made room for it."""
        held = b"%d %b" % (message.until * 1000, message.body)
        (gone,) = await self._connection.script(
            "put_webhook", self._names(endpoint), (message.id, held, MOST, _LIFE_MS)
        )
        return int(gone)

    async def claim(self, endpoint: str, most: int, *, try_seconds: float) -> Claimed:
        """Take up to `most` messages for a try that is over after so many seconds."""
        arguments = (most, round(try_seconds * 1000), _LIFE_MS)
        wait, now, *rows = await self._connection.script("claim_webhooks", self._names(endpoint), arguments)
        due: list[Message] = []
        over: list[Message] = []
        for id, tries, held in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
            until, _, body = held.partition(b" ")
            (due if int(until) > now else over).append(Message(id.decode(), body, int(until) / 1000, tries))
        return Claimed(tuple(due), tuple(over), None if wait < 0 else wait / 1000)

    async def done(self, endpoint: str, message_id: str) -> None:
        """It was delivered, or is given up."""
        await self._connection.script("settle_webhook", self._names(endpoint), (message_id, -1, _SETTLED_MS))

    async def again(self, endpoint: str, message_id: str, seconds: float) -> None:
        """It has to be tried again in a while."""
        await self._connection.script(
            "settle_webhook", self._names(endpoint), (message_id, round(seconds * 1000), _SETTLED_MS)
        )

    def _names(self, endpoint: str) -> Sequence[str]:
        return self._connection.keys.webhook(endpoint)
