"""Limits and budgets in Redis: sets aside what an exchange may use, puts in its place what it used.

Setting aside is asked and answered; settling waits for nobody: it is queued, sent in batches, kept while Redis is lost.
A reservation that is never settled, because its process died, stays charged.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count, islice

from gateway.policy.claim import Claim
from gateway.store.connection import Connection
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.keys import Keys
from gateway.store.lane import Argument

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30
"""How long a request counts as under way after its process was last heard of."""

_RENEW_SECONDS = LEASE_SECONDS / 3
_OPEN_SECONDS = 2 * 3600  # longer than any exchange may take
_REFUSED_SECONDS = 60  # longer than a reservation may be on its way
_CHUNK = 128
_PAUSE = 0.25  # seconds between two tries while Redis is lost
_MOST_QUEUED = 100_000
_TRIES = 4
_STOOD_STILL = 0.1  # seconds; a Redis that hangs is given up in half of that, and answers nobody meanwhile


@dataclass(frozen=True, slots=True)
class Granted:
    """All bounds had room. `left` says how much each has now, in the order of the claims."""

    output_tokens: int
    left: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """`claim` had no room and nothing was set aside. `used` is what its bound counts; `now` Redis's time, seconds since
    the epoch; `wait` seconds until there may be room, 0 where time alone does not say."""

    claim: Claim
    used: int
    now: float
    wait: float


@dataclass(frozen=True, slots=True)
class _Packed:
    """The keys of a reservation, and for each claim span, places of its keys, and field."""

    keys: list[str]
    claims: list[tuple[str, int, int, str]]


@dataclass(slots=True)
class Reservation:
    """What was, or may have been, set aside for one exchange. `leases` are keys to renew while it is under way."""

    exchange_id: str
    claims: tuple[Claim, ...]
    packed: _Packed
    leases: list[str] = field(default_factory=list)


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
        self._queue: deque[tuple[Reservation, tuple[int, ...]]] = deque()
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
        packed = _pack(self._connection.keys, exchange_id, claims, conversation)
        leases = [packed.keys[log - 1] for span, _, log, _ in packed.claims if span == "now"]
        return Reservation(exchange_id, tuple(claims), packed, leases)

    async def reserve(self, reservation: Reservation, *, wanted: int, least: int) -> Granted | Refused:
        """Set aside what the claims name, with as many output tokens as fit, up to `wanted`; at once for all or none.

        Args:
            least: output tokens below which an answer is of no use.

        Raises:
            StoreUnavailable: Redis does not say. Settle the reservation nevertheless: it may have been made.
        """
        arguments: list[Argument] = [
            reservation.exchange_id,
            wanted,
            min(least, wanted),
            _OPEN_SECONDS,
            LEASE_SECONDS * 1_000_000,
        ]
        for claim, (span, counts, log, name) in zip(reservation.claims, reservation.packed.claims, strict=True):
            arguments += [span, counts, log, name, claim.bound.most, repr(claim.base), repr(claim.per)]
        place, first, now, *rest = map(int, await self._ask(reservation.packed.keys, arguments))
        if place >= 0:
            return Refused(reservation.claims[place], first, now / 1e6, rest[0] / 1e6)
        if reservation.leases:
            self._under_way[reservation.exchange_id] = reservation
        return Granted(first, tuple(rest))

    async def _ask(self, keys: list[str], arguments: list[Argument]) -> list[bytes | int]:
        """Ask again where Redis is not to blame for an answer that came too late: a reservation is counted once."""
        for tries in count(1):
            began = self._clock()
            try:
                reply = await self._connection.script("reserve", keys, arguments)
            except StoreUnavailable as error:
                now = self._clock()
                busy = self._heard > began or now - began > _STOOD_STILL
                if error.reason != "timeout" or not busy or tries >= _TRIES:
                    raise
            else:
                self._heard = self._clock()
                return reply
        raise AssertionError

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
            calls = [(reservation.packed.keys, _settlement(reservation, used)) for reservation, used in some]
            kept = []
            for settled, reply in zip(some, await self._connection.scripts("settle", calls), strict=True):
                if isinstance(reply, StoreUnavailable):
                    kept.append(settled)
                elif isinstance(reply, StoreError):
                    self.dropped += 1
                    logger.error("Redis refused what %s used: %s", settled[0].exchange_id, reply)
            for _ in some:
                self._queue.popleft()
            if kept:
                self._queue.extendleft(reversed(kept))
                return False
        return True

    async def _renew(self) -> None:
        """Those that Redis does not hear of now are renewed in time by the next turn, or run out."""
        pairs = [(key, held.exchange_id) for held in self._under_way.values() for key in held.leases]
        with contextlib.suppress(StoreError):
            known = await self._connection.execute("HLEN", self._connection.keys.control_replicas)
            self.replicas = max(1, int(known))
        for start in range(0, len(pairs), _CHUNK):
            some = pairs[start : start + _CHUNK]
            arguments: list[Argument] = [LEASE_SECONDS * 1_000_000, *(exchange_id for _, exchange_id in some)]
            with contextlib.suppress(StoreError):
                await self._connection.script("renew_leases", [key for key, _ in some], arguments)


def _pack(keys: Keys, exchange_id: str, claims: Iterable[Claim], conversation: str | None) -> _Packed:
    places: dict[str, int] = {keys.reservation(exchange_id): 1}

    def place(key: str) -> int:
        return places.setdefault(key, len(places) + 1)

    packed = []
    for claim in claims:
        bound, subject = claim.bound, claim.subject
        span: str = bound.kind.span
        log = 0
        if span == "conversation":
            subject = f"{subject}:conversation:{conversation}"
        elif span == "now":
            log = place(keys.leases(subject))
        elif span == "minute":
            log = place(keys.minute(bound.kind.measure, subject))
            if bound.kind.measure == "tool_calls":
                span = "calls"
        packed.append((span, place(keys.counts(subject)), log, bound.name))
    return _Packed(list(places), packed)


def _settlement(reservation: Reservation, used: tuple[int, ...]) -> list[Argument]:
    arguments: list[Argument] = [reservation.exchange_id, _REFUSED_SECONDS]
    for (span, counts, log, name), units in zip(reservation.packed.claims, used, strict=True):
        arguments += [span, counts, log, name, units]
    return arguments
