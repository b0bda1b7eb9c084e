"""The copy of the audit record in Redis: what other machines can read of it, and what is left if its disk is lost."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.ledger.chain import decode, leaf_hash
from gateway.ledger.frame import HEADER, frames
from gateway.store.connection import Connection
from gateway.store.errors import StoreError

_PAGE = 4  # entries of a stream fetched at once, each with some hundred records at most
_CHAINS = 10_000


@dataclass(frozen=True, slots=True)
class Head:
    """A chain's newest checkpoint. `time` in milliseconds since the epoch."""

    chain: str
    size: int
    root: str
    note: str
    time: int


@dataclass(frozen=True, slots=True)
class Position:
    """A record's place in the order of all: the latest first. Times in milliseconds."""

    time: int
    chain: str
    seq: int


class AuditCopy:
    """Writes and reads the copy.

    Args:
        clock: seconds since the epoch.
        life: seconds that records are kept.
    """

    def __init__(self, connection: Connection, *, clock: Callable[[], float], life: float) -> None:
        self._connection = connection
        self._clock = clock
        self._life = round(life * 1000)

    async def ship(self, chain: str, first: int, records: Sequence[bytes], earliest: int = 0) -> int:
        """Add records, in their frames, from number `first` on; up to which number the copy has them now: if that is
        not the number after the last given, go on from there. `earliest` is the first there is. Raises
        StoreUnavailable."""
        keys, now = self._connection.keys, self._now()
        last = decode(records[-1][HEADER.size :])["time"]
        following = first + len(records)
        arguments = [first, following, last, b"".join(records), max(0, now - self._life), self._life, earliest]
        reply = await self._connection.script("ship_records", [keys.audit_records(chain)], arguments)
        await self._connection.execute("ZADD", keys.audit_chains, max(now, last), chain)
        return int(reply[0])

    async def publish(self, chain: str, size: int, root: bytes, note: str) -> bool:
        """Make a checkpoint known; False if one is known that contradicts it. Raises StoreUnavailable."""
        key = self._connection.keys.audit_head(chain)
        reply = await self._connection.script("publish_head", [key], [size, root.hex(), note, self._now(), self._life])
        return bool(reply[0] == b"1")

    async def forget(self) -> None:
        """Drop chains from the list whose records are gone. Raises StoreUnavailable."""
        oldest = self._now() - self._life
        await self._connection.execute("ZREMRANGEBYSCORE", self._connection.keys.audit_chains, "-inf", f"({oldest}")

    async def chains(self) -> list[tuple[str, int]]:
        """Every chain, the one last written first, with the time of its last record or a later one."""
        command = ("ZREVRANGE", self._connection.keys.audit_chains, 0, _CHAINS - 1, "WITHSCORES")
        flat = await self._connection.execute(*command)
        return [(chain.decode(), int(float(score))) for chain, score in zip(flat[::2], flat[1::2], strict=True)]

    async def heads(self) -> list[Head]:
        """The newest checkpoint of every chain that has one, the chain last written first."""
        keys = self._connection.keys
        found = []
        ids = [chain for chain, _ in await self.chains()]
        for chain, flat in zip(
            ids, await self._connection.scripts("read_hash", [([keys.audit_head(c)], ()) for c in ids]), strict=True
        ):
            if isinstance(flat, StoreError):
                raise flat.again()
            fields = dict(zip(flat[::2], (v.decode() for v in flat[1::2]), strict=True))
            if fields:
                size, time = int(fields[b"size"]), int(fields[b"time"])
                found.append(Head(chain, size, fields[b"root"], fields[b"note"], time))
        return found

    async def backwards(self, chain: str, before: int | None = None) -> AsyncIterator[dict[str, Any]]:
        """A chain's records, the last first; with `before`, only entries up to the first of a later time, ms."""
        key = self._connection.keys.audit_records(chain)
        end = "+"
        if before is not None:
            later = await self._connection.execute("XRANGE", key, before, "+", "COUNT", 1)
            end = later[0][0].decode() if later else "+"
        while page := await self._connection.execute("XREVRANGE", key, end, "-", "COUNT", _PAGE):
            for _, fields in page:
                for one in reversed(list(frames(fields[3]))):
                    yield decode(one.payload)
            end = "(" + page[-1][0].decode()

    async def leaves(self, chain: str, upto: int) -> tuple[int, list[bytes], dict[int, bytes]]:
        """The first number there is, the hashes of the records from there to `upto`, and the records."""
        key, start = self._connection.keys.audit_records(chain), "-"
        hashes: list[bytes] = []
        records: dict[int, bytes] = {}
        first = -1
        while page := await self._connection.execute("XRANGE", key, start, "+", "COUNT", _PAGE):
            for _, fields in page:
                number = int(fields[1])
                first = number if first < 0 else first
                for one in frames(fields[3]):
                    if number < upto:
                        hashes.append(leaf_hash(one.payload))
                        records[number] = one.payload
                    number += 1
            start = "(" + page[-1][0].decode()
        return max(first, 0), hashes, records

    def _now(self) -> int:
        return round(self._clock() * 1000)
