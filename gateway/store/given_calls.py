"""Which tool calls agents were given or refused, so that a result of any other call can be told.

Noting never waits: a call that Redis does not take at once is written later, and until then this process says that it
does not know all. Ids are kept as keyed hashes.
"""

import asyncio
import hashlib
import hmac
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from gateway.model.value import value
from gateway.store.connection import Connection
from gateway.store.errors import StoreError
from gateway.store.lane import Argument
from gateway.store.write_behind import WriteBehind

LIFE_SECONDS = 2 * 86_400
"""A call is known for half of that at least."""
_DAY = 86_400
_MOST = 10_000
_PENDING = 1000
_AGAIN_SECONDS = 1.0
_LONGEST_ID = 512
_LONGEST_TOOL = 200


@value
class GivenCall:
    """A call that an agent was given, or that was withheld from it."""

    call_id: str
    tool: str
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The calls that are known, by id. `complete`: an agent was given no other for a day."""

    calls: Mapping[str, GivenCall]
    complete: bool


NOTHING = Found({}, False)


class GivenCalls:
    """Notes (`note`) and finds (`find`) them.

    Args:
        secret: the deployment's root secret.
        clock: seconds since the epoch.
    """

    def __init__(self, connection: Connection, secret: bytes, *, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._key = hmac.digest(secret, b"leuko/given_calls/1\x01", hashlib.sha256)
        self._clock = clock
        self._writing: set[asyncio.Task[None]] = set()
        self._pending: deque[tuple[str, list[Argument]]] = deque(maxlen=_PENDING)
        self._again = WriteBehind(self.flush, _AGAIN_SECONDS)
        self._lost = False

    def note(self, agent_id: str, calls: Sequence[GivenCall]) -> None:
        """Remember calls as they leave or are refused."""
        args: list[Argument] = [LIFE_SECONDS, _MOST]
        for call in calls:
            args += (self._digest(call.call_id), f"{'-' if call.withheld else '+'}{call.tool[:_LONGEST_TOOL]}")
        task = asyncio.get_running_loop().create_task(self._write(self._keys(agent_id)[0], args))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def find(self, agent_id: str, call_ids: Collection[str]) -> Found:
        """What is known of these calls; nothing, and not all, where Redis does not answer."""
        ids = list(dict.fromkeys(call_ids))
        args: list[Argument] = [_MOST, *map(self._digest, ids)]
        try:
            complete, *stored = await self._connection.script("find_calls", self._keys(agent_id), args)
        except StoreError:
            return NOTHING
        calls = {one: _read(one, told.decode()) for one, told in zip(ids, stored, strict=True) if told}
        return Found(calls, bool(complete) and not self._pending and not self._writing and not self._lost)

    async def run(self) -> None:
        """Write what Redis has not taken, until cancelled; then what is left, once."""
        await self._again.run()

    async def flush(self) -> bool:
        """Write what Redis has not taken, as far as it takes it now; False if it does not take all."""
        while self._writing:
            await asyncio.wait(self._writing)
        for _ in range(len(self._pending)):
            await self._write(*self._pending.popleft())
        return not self._pending

    async def _write(self, key: str, args: list[Argument]) -> None:
        try:
            await self._connection.script("keep_calls", [key], args)
        except StoreError:
            # What is pushed out of the queue here is never known: from then on nobody may say that all is.
            self._lost = self._lost or len(self._pending) == _PENDING
            self._pending.append((key, args))
            self._again.wake()

    def _keys(self, agent_id: str) -> list[str]:
        day = int(self._clock() // _DAY)
        return [self._connection.keys.given(agent_id, day - back) for back in (0, 1)]

    def _digest(self, call_id: str) -> str:
        data = call_id[:_LONGEST_ID].encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=12, key=self._key).hexdigest()


def _read(call_id: str, stored: str) -> GivenCall:
    return GivenCall(call_id, stored[1:], stored[0] == "-")
