"""Those who wait for a person's decision: answers that are held until it is there.

Pub/Sub says at once that something was decided, on whatever replica; for truth Redis is asked twice a second, once
for all who wait.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable

from gateway.store.approval_record import Approval, Status
from gateway.store.connection import Connection
from gateway.store.errors import StoreError
from gateway.store.subscriber import Subscriber

HELD_OF_AGENT = 5
"""Answers of one agent that wait at a time."""

_POLL_SECONDS = 0.5
_GATHER_SECONDS = 0.01
_BATCH = 500
_SPARE_MS = 2000

Read = Callable[[str], Awaitable[Approval | None]]


class ApprovalWaits:
    """What waits on this replica. `waiting` is how many answers do."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._anybody = asyncio.Event()
        self._news = asyncio.Event()

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    def wake(self) -> None:
        """Something was decided here."""
        self._news.set()

    async def run(self) -> None:
        """Hear of decisions until cancelled."""
        listening = asyncio.create_task(
            Subscriber(self._connection, self._connection.keys.approvals_news, self.wake).run()
        )
        try:
            while True:
                await self._anybody.wait()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_SECONDS):
                        await self._news.wait()
                await asyncio.sleep(_GATHER_SECONDS)  # decisions come in bulk, and one question serves them all
                self._news.clear()
                with contextlib.suppress(StoreError):
                    await self._poll()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def wait(self, approval_id: str, seconds: float, read: Read) -> Status:
        """As `Approvals.wait`."""
        decided = asyncio.Event()
        held: str | None = None
        name = secrets.token_hex(8)
        self._waiting.setdefault(approval_id, set()).add(decided)
        self._anybody.set()
        try:
            async with asyncio.timeout(seconds):
                while True:
                    decided.clear()
                    with contextlib.suppress(StoreError):
                        found = await read(approval_id)
                        if found is None or found.status != "pending":
                            return "expired" if found is None else found.status
                        if held is None:
                            if not await self._hold(found.agent_id, name, seconds):
                                return "pending"
                            held = found.agent_id
                    await decided.wait()
        except TimeoutError:
            return "pending"
        finally:
            self._leave(approval_id, decided)
            if held is not None:
                with contextlib.suppress(StoreError):  # its time ends by itself
                    await self._connection.execute("ZREM", self._connection.keys.answers_held(held), name)

    async def _hold(self, agent_id: str, name: str, seconds: float) -> bool:
        key = self._connection.keys.answers_held(agent_id)
        arguments = (name, round(seconds * 1000) + _SPARE_MS, HELD_OF_AGENT)
        return bool((await self._connection.script("hold_answer", (key,), arguments))[0])

    def _leave(self, approval_id: str, decided: asyncio.Event) -> None:
        others = self._waiting[approval_id]
        others.discard(decided)
        if not others:
            del self._waiting[approval_id]
        if not self._waiting:
            self._anybody.clear()

    async def _poll(self) -> None:
        ids = list(self._waiting)
        for at in range(0, len(ids), _BATCH):
            keys = (self._connection.keys.approvals_pending,)
            for over in await self._connection.script("decided_approvals", keys, ids[at : at + _BATCH]):
                for decided in self._waiting.get(over.decode(), ()):
                    decided.set()
