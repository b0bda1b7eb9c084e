"""Limits and budgets in Redis: sets aside what an exchange may use, puts in its place what it used.

Setting aside is asked and answered; settling waits for nobody: it is queued, sent in batches, kept while Redis is lost.
A reservation that is never settled, because its process died, stays charged.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from gateway.model.value import value
from gateway.policy.claim import Claim
from gateway.store.connection import Connection
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.lane import Argument
from gateway.store.limit_layout import Layout, numbers_of
from gateway.store.scripts import ScriptCall

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30
"""How long a request counts as under way after its process was last heard of."""

_RENEW_SECONDS = LEASE_SECONDS / 3
_CHUNK = 128
_BATCH = 32  # settlements told by one call: less than a millisecond of Redis's time
_LAYOUTS = 2_000
_PAUSE = 0.25  # seconds between two tries while Redis is lost
_MOST_QUEUED = 20_000
_TRIES = 4
_STOOD_STILL = 0.1  # seconds; a Redis that hangs is given up in half of that, and answers nobody meanwhile


@value
class Granted:
    """All bounds had room. `left` says how much each has now, in the order of the claims."""

    output_tokens: int
    left: tuple[int, ...]


@value
class Refused:
    """`claim` had no room and nothing was set aside. `used` is what its bound counts; `now` Redis's time, seconds since
    the epoch; `wait` seconds until there may be room, 0 where time alone does not say."""

    claim: Claim
    used: int
    now: float
    wait: float


@dataclass(slots=True)
class Reservation:
    """What was, or may have been, set aside for one exchange."""

    exchange_id: str
    claims: Sequence[Claim]
    layout: Layout


_Settled = tuple[Reservation, tuple[int, ...]]


class Limits:
    """Asks Redis about claims; `run` sends what was settled and renews leases.

    Args:
        clock: monotonic seconds.

    Attributes:
        dropped: settlements given up because too many waited; what was set aside stays charged.
        replicas: how many processes there are, as far as was heard; a few seconds old.
    """

    def __init__(self, connection: Connection, *, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock
        self._layouts: dict[tuple[tuple[int, str], ...], Layout] = {}
        self._queue: deque[_Settled] = deque()
        self._under_way: dict[str, Reservation] = {}
        self._wake = asyncio.Event()
        self._heard = float("-inf")  # when Redis last answered
        self.dropped = 0
        self.replicas = 1

    @property
    def queued(self) -> int:
        """Exchanges whose use Redis does not know yet."""
        return len(self._queue)

    @property
    def reachable(self) -> bool:
        """Whether Redis answers as a rule, though one answer may have come too late."""
        return self._connection.healthy

    def open(self, exchange_id: str, claims: Sequence[Claim], conversation: str | None) -> Reservation:
        """A reservation to be asked for. Claims per conversation are counted in `conversation`."""
        # By identity, for it is quick; a layout keeps its bounds.
        plan = tuple([(id(claim.bound), claim.subject) for claim in claims])
        layout = self._layouts.get(plan)
        if layout is None or (layout.conversation is not None and layout.conversation != conversation):
            if len(self._layouts) >= _LAYOUTS:  # subjects are what callers say: must not grow with them
                self._layouts.clear()
            layout = Layout(self._connection.keys, self._connection.known_scripts, claims, conversation, LEASE_SECONDS)
            self._layouts[plan] = layout
        return Reservation(exchange_id, claims, layout)

    async def reserve(self, reservation: Reservation, *, wanted: int, least: int) -> Granted | Refused:
        """Set aside what the claims name, with as many output tokens as fit, up to `wanted`; at once for all or none.

        Args:
            least: output tokens below which an answer is of no use.

        Raises:
            StoreUnavailable: Redis does not say. Settle the reservation nevertheless: it may have been made.
        """
        exchange_id, claims, layout = reservation.exchange_id, reservation.claims, reservation.layout
        call = layout.reservation(exchange_id, claims, wanted, min(least, wanted))
        began = self._clock()
        reply = await self._connection.submit(call)
        if isinstance(reply, StoreError):
            reply = await self._ask_again(call, reply, began)
        self._heard = self._clock()
        place, first, now, *rest = map(int, numbers_of(reply[1]))
        if place >= 0:
            return Refused(claims[place], first, now / 1e6, rest[0] / 1e6)
        if layout.leases:
            self._under_way[exchange_id] = reservation
        return Granted(first, tuple(rest))

    async def _ask_again(self, call: ScriptCall, said: StoreError, began: float) -> list[Any]:
        """The reply, where Redis is not to blame for one that came too late: a reservation is counted once."""
        for _ in range(_TRIES - 1):
            now = self._clock()
            busy = self._heard > began or now - began > _STOOD_STILL
            if not (isinstance(said, StoreUnavailable) and said.reason == "timeout" and busy):
                break
            began = now
            reply = await self._connection.submit(call)
            if not isinstance(reply, StoreError):
                return reply  # type: ignore[no-any-return]
            said = reply
        raise said.again()

    def settle(self, reservation: Reservation, used: tuple[int, ...]) -> None:
        """Note what was used, for each claim; -1 leaves what was set aside. Redis hears of it soon."""
        self._under_way.pop(reservation.exchange_id, None)
        if len(self._queue) >= _MOST_QUEUED:
            self.dropped += 1
            return
        self._queue.append((reservation, used))
        self._wake.set()

    async def run(self) -> None:
        """Send settlements as they come and renew leases, until cancelled; then send once more."""
        due = self._clock()
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, due - self._clock())):
                        await self._wake.wait()
                if self._clock() >= due:
                    due = self._clock() + _RENEW_SECONDS
                    await self._renew()
                self._wake.clear()
                if not await self.flush():
                    await asyncio.sleep(_PAUSE)
                    self._wake.set()
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await self.flush()

    async def flush(self) -> bool:
        """Send all settlements now. False if Redis did not take them: they are kept, and told again later."""
        while self._queue:
            some = list(islice(self._queue, _CHUNK))
            alike: dict[Layout, list[_Settled]] = {}
            for settled in some:
                alike.setdefault(settled[0].layout, []).append(settled)
            batches = [group[at : at + _BATCH] for group in alike.values() for at in range(0, len(group), _BATCH)]
            kept, refused = await self._tell(batches)
            if refused:
                # One that Redis cannot carry out stops those behind it; what was told already counts nothing again.
                kept_alone, _ = await self._tell([[settled] for settled in refused])
                kept += kept_alone
            for _ in some:
                self._queue.popleft()
            if kept:
                self._queue.extendleft(reversed(kept))
                return False
        return True

    async def _tell(self, batches: list[list[_Settled]]) -> tuple[list[_Settled], list[_Settled]]:
        """Those that Redis has not heard of, and those it refused together with others."""
        calls = [
            batch[0][0].layout.settlement([(reservation.exchange_id, used) for reservation, used in batch])
            for batch in batches
        ]
        kept: list[_Settled] = []
        refused: list[_Settled] = []
        for batch, reply in zip(batches, await self._connection.scripts("settle", calls), strict=True):
            if isinstance(reply, StoreUnavailable):
                kept += batch
            elif isinstance(reply, StoreError) and len(batch) > 1:
                refused += batch
            elif isinstance(reply, StoreError):
                self.dropped += 1
                logger.error("Redis refused what %s used: %s", batch[0][0].exchange_id, reply)
        return kept, refused

    async def _renew(self) -> None:
        """Those that Redis does not hear of now are renewed in time by the next turn, or run out."""
        pairs = [(key, held.exchange_id) for held in self._under_way.values() for key in held.layout.leases]
        with contextlib.suppress(StoreError):
            known = await self._connection.execute("HLEN", self._connection.keys.control_replicas)
            self.replicas = max(1, int(known))
        for start in range(0, len(pairs), _CHUNK):
            some = pairs[start : start + _CHUNK]
            arguments: list[Argument] = [LEASE_SECONDS * 1_000_000, *(exchange_id for _, exchange_id in some)]
            with contextlib.suppress(StoreError):
                await self._connection.script("renew_leases", [key for key, _ in some], arguments)
