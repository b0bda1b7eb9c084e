"""What agents did and read lately, the same for every replica: sums of allowed calls, when actions were allowed last,
and what was first read in untrusted results.

Decisions depend on it, so nothing here is guessed: without Redis every method raises StoreUnavailable. Texts and values
are kept as keyed hashes only.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from gateway.model.bounded import make_room
from gateway.model.transcript import Transcript
from gateway.policy.provenance import first_read, mark
from gateway.policy.verdict import Count
from gateway.store.connection import Connection
from gateway.store.lane import Argument
from gateway.store.taint import BYTES, holds, merged

TAINT_SECONDS = 3600
_UNIT = 1_000_000
"""Amounts are counted in millionths, rounded up, so that sums are exact."""
_MOST = 9 * 10**15
_SESSIONS = 2000
_MANY = 1000
_KNOWN_RESULTS = 2000


@dataclass(frozen=True, slots=True)
class Recollection:
    """What was remembered at one moment; see `gateway.policy.question.Memory`."""

    _spent: Mapping[str, float] = field(default_factory=dict)
    _last: Mapping[str, float] = field(default_factory=dict)
    _tainted: Callable[[str], bool] = lambda text: False

    def last(self, key: str) -> float | None:
        return self._last.get(key)

    def spent(self, key: str) -> float:
        return self._spent.get(key, 0.0)

    def tainted(self, value: str) -> bool:
        return self._tainted(value)


class ActionMemory:
    """Reads and writes it. `secret` is the deployment's root secret; periods go by the clock of Redis."""

    def __init__(self, connection: Connection, secret: bytes) -> None:
        self._connection = connection
        self._key = hmac.digest(secret, b"leuko/memory/1\x01", hashlib.sha256)
        self._results: dict[tuple[str, str], set[tuple[str | None, int]]] = {}

    async def load(
        self,
        agent_id: str,
        conversation: str | None,
        keys: Sequence[Count] = (),
        *,
        session: str | None = None,
    ) -> Recollection:
        """All that decisions about one exchange may ask for, in one round trip. Raises StoreUnavailable.

        Args:
            keys: the counts to know of; their amounts do not matter.
            session: whose reading counts as tainted; the conversation unless there is a better name for it.
        """
        session = session or conversation or ""
        args: list[Argument] = [TAINT_SECONDS]
        for count in keys:
            args += (_place(count), count.period, count.key)
        counts, read = await self._connection.script("recall_acts", self._keys(agent_id, conversation, session), args)
        if not read:
            self._results.pop((agent_id, session), None)
        return Recollection(
            {count.key: int(counts[2 * at]) / _UNIT for at, count in enumerate(keys)},
            {count.key: int(last) / 1e6 for at, count in enumerate(keys) if (last := counts[2 * at + 1])},
            lambda text: holds(read, text, self._key),
        )

    async def count(self, agent_id: str, conversation: str | None, counts: Sequence[Count]) -> Count | None:
        """Count what calls use before they leave, all or nothing; the first count that has no room, else None.

        Exact over all replicas. An amount below zero counts as none. Raises StoreUnavailable; then it may have been
        counted, and the calls must not leave.
        """
        if not counts:
            return None
        args: list[Argument] = []
        for count in counts:
            most = -1 if count.limit is None else _units(count.limit, ROUND_FLOOR)
            args += (_place(count), count.period, count.key, _units(count.amount, ROUND_CEILING), most)
        keys = self._keys(agent_id, conversation, "")[:2]
        (full,) = await self._connection.script("count_acts", keys, args)
        return None if full < 0 else counts[full]

    async def note_results(
        self,
        agent_id: str,
        session: str,
        transcript: Transcript,
        *,
        untrusted: Collection[str],
        name: Callable[[str], str] = str,
    ) -> None:
        """Remember what untrusted results of this conversation say that was not said before, before a model reads it.

        Costs nothing where no result is new to this process. Arguments as of `provenance.sources`. Raises
        StoreUnavailable.
        """
        known = self._results.get((agent_id, session), set())
        found = first_read(transcript, untrusted=untrusted, known=known, name=name)
        if found is None or found:
            await self.remember(agent_id, session, found)
        seen = {mark(said) for said in transcript.said if said.speaker == "tool"}
        if seen - known:
            make_room(self._results, _SESSIONS)  # callers choose the sessions
            self._results[agent_id, session] = set(list(seen)[:_KNOWN_RESULTS])

    async def remember(self, agent_id: str, session: str, values: Collection[str] | None) -> None:
        """Remember for an hour that a session read these tokens and pairs first in untrusted results.

        None: that it read too much to tell, so that everything counts as read there. Raises StoreUnavailable.
        """
        if values is None:
            bits = b"\xff" * BYTES
        elif len(values) < _MANY:
            bits = merged(values, self._key)
        else:  # a long page takes longer than others can wait
            bits = await asyncio.to_thread(merged, values, self._key)
        taint = self._connection.keys.taint(agent_id, self._digest("session", session))
        await self._connection.script("merge_taint", [taint, f"{taint}:more"], [bits, TAINT_SECONDS])

    def _keys(self, agent_id: str, conversation: str | None, session: str) -> list[str]:
        keys = self._connection.keys
        return [
            keys.acts(agent_id),
            keys.acts(agent_id, self._digest("conversation", conversation or "")),
            keys.taint(agent_id, self._digest("session", session)),
        ]

    def _digest(self, kind: str, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=12, key=self._key, person=kind.encode()).hexdigest()


def _place(count: Count) -> int:
    return 2 if count.period == "conversation" else 1


def _units(amount: float, rounding: str) -> int:
    """In millionths. What is no number, or more than can be counted, counts as the most there is."""
    if amount <= 0:
        return 0
    if not amount < _MOST / _UNIT:
        return _MOST
    return int((Decimal(repr(amount)) * _UNIT).to_integral_value(rounding))
