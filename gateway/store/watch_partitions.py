"""Who watches which agents: eight parts, each leased to one replica, which reads its feed and keeps its records.

    lease      3 s, taken with a number of its own; whoever finds it lost begins anew, even if it is free again.
               What a dead replica had is taken at once. Who has more than its share gives back what others want
    position   the entry that was looked at last, and the number of the save: a save says which one it follows, so one
               that comes late, or from a replica that lost its lease, changes nothing
    save       records are laid aside first, in chunks; one script then puts all of them in place with the position

So every entry is in the records exactly once, whoever stops at whatever moment. What else was done about it before the
save may be done again.
"""

import asyncio
import logging
import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.immune.record import Record, fields, record_of
from gateway.store.connection import Connection
from gateway.store.errors import CommandRefused, StoreError, StoreUnavailable
from gateway.store.keys import PARTITIONS, partition_of
from gateway.store.lane import Argument
from gateway.store.watch_feed import Entry, read_entry

logger = logging.getLogger(__name__)

LEASE_SECONDS = 3.0
_WISH_SECONDS = 1.0
_OFFER_SECONDS = 1.0  # so long, what one gives back is left to those that want it
_CHUNK = 32  # records laid aside at a time, each below 64 KiB
_STAGED_SECONDS = 30
_POLL = 0.02
FIELDS = ("s", "c", "l", "m", "g")
START = "0-0"

_MINE, _NOBODYS = 1, -1


@dataclass(slots=True)
class _Held:
    """A part that this replica has: the number of its taking, when it was last renewed, and the position."""

    number: int
    since: float
    position: str

    @property
    def entry(self) -> str:
        return self.position.partition("/")[0] or START

    def after(self, entry: str) -> str:
        return f"{entry}/{int(self.position.partition('/')[2] or 0) + 1}"


@dataclass(frozen=True, slots=True)
class _Found:
    """A part as Redis has it: `_MINE`, another one's (0), `_NOBODYS`, or offered (-2); `wanted` is 0 or 1."""

    whose: int
    position: str
    wanted: int


class WatchPartitions:
    """One replica's share of the agents. Only `load`, `read` and `busy` raise StoreUnavailable.

    Args:
        replica: this process among all that watch.
        clock: monotonic seconds that go on while the process is stopped.
        keep_seconds: life of the record of an agent that does nothing and about which there is nothing to do.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        replica: str,
        clock: Callable[[], float],
        keep_seconds: float = 30 * 86_400,
    ) -> None:
        self._connection = connection
        self._replica = replica
        self._clock = clock
        self._keep_seconds = math.ceil(keep_seconds)
        self._taking = 0
        self._saves = 0
        self._held: dict[int, _Held] = {}
        # Replicas try the parts in different orders, so that they seldom want the same.
        first = zlib.crc32(replica.encode())
        self._order = [(first + n) % PARTITIONS for n in range(PARTITIONS)]

    @property
    def held(self) -> frozenset[int]:
        """The parts that this replica may look at now."""
        now = self._clock()
        return frozenset(number for number, held in self._held.items() if now - held.since < LEASE_SECONDS)

    async def hold(self, replicas: int) -> frozenset[int]:
        """Renew, take and give back, so that each of `replicas` has its share; what is held then.

        To be called at least each half second. A part that was lost is missing from `held` in between, even if it can
        be had again at once: what was known of its agents has to be read anew.
        """
        most, least = math.ceil(PARTITIONS / max(1, replicas)), PARTITIONS // max(1, replicas)
        began = self._clock()
        self._taking += 1
        lost = set(self._held) - self.held
        self._give_up(lost)
        others = [number for number in self._order if number not in self._held]
        wanted = []
        for number, found in (await self._ask("renew", list(self._held))).items():
            if found.whose == _MINE and number in self._held:
                self._held[number].since = began
                wanted += [number] * found.wanted
            else:
                self._give_up([number])
        if len(self._held) < least:
            seen = await self._ask("want", others, _WISH_SECONDS)
        else:
            seen = await self._ask("look", others)
        free = {number: found.whose for number, found in seen.items() if found.whose < 0 and number not in lost}
        await self._take(free, max(0, most - len(self._held)))
        await self._give_back(wanted[: max(0, len(self._held) - most)])
        return self.held

    async def read(self, partition: int, count: int = 500, after: str | None = None) -> list[Entry]:
        """The next entries behind what was saved last, or behind the entry `after`; none of a part that is not held."""
        held = self._held.get(partition)
        if held is None:
            return []
        key = self._connection.keys.watch(partition, "feed")
        rows = await self._connection.execute("XRANGE", key, f"({after or held.entry}", "+", "COUNT", count)
        return [read_entry(entry_id, cells) for entry_id, cells in rows]

    async def load(self, agent_ids: Iterable[str]) -> dict[str, Record]:
        """What is kept of these agents; those of which nothing is are left out."""
        ids = list(agent_ids)
        keys = self._connection.keys
        replies = await self._connection.scripts("read_fields", [([keys.watched(id)], FIELDS) for id in ids])
        found = {}
        for number, (agent_id, reply) in enumerate(zip(ids, replies, strict=True), 1):
            if number % _CHUNK == 0:
                await asyncio.sleep(0)  # a chunk takes milliseconds to understand: requests go first
            if isinstance(reply, StoreError):
                raise reply.again()
            record = record_of(agent_id, kept_fields(FIELDS, reply[0]))
            if record is not None:
                found[agent_id] = record
        return found

    async def busy(self, partition: int) -> list[str]:
        """The agents that have to be looked at even if they do nothing."""
        members = await self._connection.execute("SMEMBERS", self._connection.keys.watch(partition, "busy"))
        return sorted(member.decode() for member in members)

    async def save(
        self, partition: int, last: str | None, records: Sequence[Record], caps: Mapping[str, bytes]
    ) -> bool:
        """Keep records of this part's agents, and go on behind the entry `last` (None: stay).

        Args:
            caps: by agent, what answers may have; of agents that are not there it stays as it was.

        Returns:
            False: it was not written, or nobody knows. The part is not held any more; all that is known of its agents
            has to be forgotten and read anew when it is held again.
        """
        if partition not in self.held:
            self._give_up([partition])
            return False
        held = self._held[partition]
        self._saves += 1
        name = f"{self._replica}.{self._saves}"
        after = held.after(last or held.entry)
        try:
            await self._stage(name, records, caps)
            saved = await self._put_in_place(partition, held, after, last, name, records)
        except StoreError as error:
            _complain(error)
            saved = False
        if saved:
            held.position = after
        else:
            self._give_up([partition])
        return saved

    async def release(self) -> None:
        """Give all leases back, at the end."""
        await self._ask("release", list(self._held))
        self._held.clear()

    async def passed(self, agent_id: str, entry_id: str, within: float) -> bool:
        """Whether whoever watches an agent has looked at an entry, and saved it, at the latest `within` seconds from
        now."""
        key = self._connection.keys.watch(partition_of(agent_id), "position")
        deadline = self._clock() + within
        while True:
            try:
                position = await self._connection.execute("GET", key)
                if position is not None and _place(position.decode()) >= _place(entry_id):
                    return True
            except StoreUnavailable:
                pass  # it may be back in time
            if self._clock() >= deadline:
                return False
            await asyncio.sleep(_POLL)

    # Leases

    async def _take(self, free: Mapping[int, int], room: int) -> None:
        now = self._clock()
        taken = await self._ask("take", list(free)[:room])
        taken |= await self._ask("extra", [number for number in list(free)[room:] if free[number] == _NOBODYS])
        for number, found in taken.items():
            if found.whose == _MINE:
                self._held[number] = _Held(self._taking, now, found.position)

    async def _give_back(self, numbers: Sequence[int]) -> None:
        await self._ask("offer", numbers, _OFFER_SECONDS)
        self._give_up(numbers)

    def _give_up(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._held.pop(number, None)

    async def _ask(self, what: str, numbers: Sequence[int], seconds: float = LEASE_SECONDS) -> dict[int, _Found]:
        """What Redis says of each part; those of which it says nothing are left out."""
        keys = self._connection.keys
        calls = []
        for number in numbers:
            held = self._held.get(number)
            taking = self._taking if held is None else held.number
            names = [keys.watch(number, part) for part in ("lease", "position", "wanted")]
            calls.append((names, (what, self._replica, taking, round(seconds * 1000))))
        replies = await self._connection.scripts("hold_partition", calls)
        found = {}
        for number, reply in zip(numbers, replies, strict=True):
            if isinstance(reply, StoreError):
                _complain(reply)
            else:
                found[number] = _Found(reply[0], reply[1].decode(), reply[2])
        return found

    # Saving

    async def _stage(self, name: str, records: Sequence[Record], caps: Mapping[str, bytes]) -> None:
        keys = self._connection.keys
        calls = []
        for begin in range(0, len(records), _CHUNK):
            names: list[str] = []
            arguments: list[Argument] = [_STAGED_SECONDS]
            for record in records[begin : begin + _CHUNK]:
                names += [keys.staged(name, record.agent_id), keys.watched(record.agent_id)]
                kept = fields(record)
                arguments += [len(kept), *(part for pair in kept.items() for part in pair)]
                arguments.append(caps.get(record.agent_id, b""))
            calls.append((names, arguments))
            await asyncio.sleep(0)  # a chunk takes milliseconds to write down: requests go first
        for reply in await self._connection.scripts("stage_watched", calls):
            if isinstance(reply, StoreError):
                raise reply.again()

    async def _put_in_place(
        self, partition: int, held: _Held, after: str, last: str | None, name: str, records: Sequence[Record]
    ) -> bool:
        keys = self._connection.keys
        names = [keys.watch(partition, part) for part in ("lease", "position", "feed", "busy")]
        arguments: list[Argument] = [f"{self._replica}/{held.number}", held.position, after, last or ""]
        arguments.append(self._keep_seconds)
        for record in records:
            names += [keys.staged(name, record.agent_id), keys.watched(record.agent_id)]
            arguments += [record.agent_id, int(record.busy)]
        (done,) = await self._connection.script("save_watched", names, arguments)
        return bool(done)


def kept_fields(names: Sequence[str], reply: Sequence[bytes | None]) -> dict[str, bytes]:
    """The fields that a hash has, of those that were asked for."""
    return {name: kept for name, kept in zip(names, reply, strict=True) if kept is not None}


def _complain(error: StoreError) -> None:
    # That Redis is away is told elsewhere; that it refuses, as when a user may not do all that is needed, is not.
    if isinstance(error, CommandRefused):
        logger.error("Redis refused what watching agents takes: %s", error)


def _place(position: str) -> tuple[int, int]:
    entry = position.partition("/")[0] or START
    time, _, number = entry.partition("-")
    return int(time), int(number)
