"""The agents ever seen: counted in memory as requests pass, written together every few milliseconds, read by the API.

Noting an exchange never waits and never fails; losing Redis delays the counts and loses none, up to a bound.
"""

import asyncio
import base64
import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import orjson

from gateway.model.agent import Agent, Evidence
from gateway.model.vitals import Vitals
from gateway.store.connection import Connection
from gateway.store.errors import CommandRefused, StoreError, StoreUnavailable
from gateway.store.sighting import MODELS, PROVIDERS, TOOLS, Sighting, add_names
from gateway.store.stats import Totals
from gateway.store.usage import UsageCounter
from gateway.store.vitals import USUAL, Kept, Packing, nanodollars
from gateway.store.write_behind import WriteBehind

logger = logging.getLogger(__name__)

_CHUNK = 128  # agents in one batch: a few milliseconds of Redis's time
_BEGUN_SECONDS = 60.0
_BEGUN_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """One agent as Redis knows it. Times in seconds since the epoch; names sorted."""

    agent_id: str
    verified: bool
    credential: str | None
    name: str | None
    client: str | None
    first_seen: float
    last_seen: float
    models: tuple[str, ...]
    tools: tuple[str, ...]
    providers: tuple[str, ...]
    requests: int
    input_tokens: int
    output_tokens: int
    cost: int = 0  # nanodollars
    owner_team: str | None = None
    environment: str | None = None
    active: bool = True
    address: str | None = None
    evidence: tuple[Evidence, ...] = ()
    credential_id: str = ""
    proxied: float | None = None  # when it last passed through the gateway


class Agents:
    """Notes exchanges (`begun`, `seen`), writes them (`run`, `flush`), reads agents (`list`, `get`).

    Args:
        clock: seconds since the epoch.
        interval: seconds between two flushes while there is something to write.
        max_pending: agents with something unwritten; exchanges of further ones count in the totals only.
        max_rows: vitals unwritten; further ones are counted only.
        kept: how many vitals of an agent are kept, and for how long.
        packed: makes a row of vitals.

    Attributes:
        dropped: exchanges that were not noted for their agent because of `max_pending`, or refused by Redis.
        rows_dropped: vitals lost because of `max_rows`.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        clock: Callable[[], float],
        interval: float = 0.05,
        max_pending: int = 10_000,
        max_rows: int = 20_000,
        kept: Kept = USUAL,
        packed: Callable[[Vitals], bytes] | None = None,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._max_pending = max_pending
        self._max_rows = max_rows
        self._rows = 0
        self._kept = kept
        self._packed = packed or Packing()
        self._usage = UsageCounter(connection)
        self._writer = secrets.token_hex(4)
        self._number = 0
        self._begun: dict[str, float] = {}
        self._pending: dict[str, Sighting] = {}
        self._sending: list[Sighting] = []
        self._unlisted: dict[str, int] = {}
        self._totals = Totals()
        self._totals_sending: Totals | None = None
        self._writing = WriteBehind(self.flush, interval)
        self._flushing = asyncio.Lock()
        self.dropped = self.rows_dropped = 0

    @property
    def pending(self) -> int:
        """Agents with something unwritten."""
        return len(self._pending) + len(self._sending)

    def has_begun(self, agent_id: str, time: float) -> bool:
        """Whether `begun` was said of an agent within the minute before `time`."""
        last = self._begun.get(agent_id)
        return last is not None and time - last < _BEGUN_SECONDS

    def begun(self, agent: Agent, *, time: float, client: str | None = None, address: str | None = None) -> None:
        """Let an agent exist whose provider answers with 2xx, before that answer, perhaps a long stream, is over.

        Counts nothing: `seen` follows. Said again within a minute it does nothing. `time`: seconds since the epoch.
        """
        if self.has_begun(agent.agent_id, time):
            return
        if len(self._begun) >= _BEGUN_LIMIT:
            self._begun.clear()  # callers choose the ids: must not grow with them
        self._begun[agent.agent_id] = time
        sighting = self._sighting(agent, time)
        if sighting is not None:
            sighting.ok = True
            sighting.last = sighting.proxied = time
            sighting.client = client or sighting.client
            sighting.address = address or sighting.address

    def seen(
        self,
        agent: Agent,
        vitals: Vitals,
        *,
        client: str | None = None,
        address: str | None = None,
        tools: Iterable[str] = (),
        ok: bool,
        proxied: bool = True,
    ) -> None:
        """Note one exchange.

        Args:
            client: the caller's user agent. address: where it called from.
            tools: names of the tools it offered or called.
            ok: the provider answered with 2xx. Only then an unknown agent comes to exist.
            proxied: whether it passed through here; False for what an agent reports.
        """
        self._totals.add(vitals)
        self._usage.add(agent, vitals)
        sighting = self._sighting(agent, vitals.time)
        if sighting is None:
            self.dropped += 1
            return
        sighting.requests += 1
        sighting.last = vitals.time
        sighting.input_tokens += vitals.input_tokens
        sighting.output_tokens += vitals.output_tokens
        sighting.cost += nanodollars(vitals)
        if self._rows < self._max_rows:
            self._rows += 1
            sighting.rows.append(self._packed(vitals))
        else:
            self.rows_dropped += 1
        if proxied:
            sighting.proxied = vitals.time
        if client is not None:
            sighting.client = client
        if address is not None:
            sighting.address = address
        if ok:
            sighting.ok = True
            # Names are taken from exchanges that worked: anyone can ask for made-up models.
            if vitals.model is not None and vitals.model not in sighting.models:
                add_names(sighting.models, (vitals.model,), MODELS)
            if vitals.provider is not None and vitals.provider not in sighting.providers:
                add_names(sighting.providers, (vitals.provider,), PROVIDERS)
            if tools:
                add_names(sighting.tools, tools, TOOLS)

    def _sighting(self, agent: Agent, time: float) -> Sighting | None:
        """What is pending of an agent; None where there is no room for one more."""
        sighting = self._pending.get(agent.agent_id)
        if sighting is None:
            self._writing.wake()
            if len(self._pending) + len(self._sending) >= self._max_pending:
                return None
            sighting = self._pending[agent.agent_id] = Sighting(agent, time)
        sighting.agent = agent
        return sighting

    async def run(self) -> None:
        """Flush while there is something to write, until cancelled; then once more."""
        await self._writing.run()

    async def flush(self) -> bool:
        """Write all that is pending now. False if something could not be written: it is kept for the next time."""
        async with self._flushing:
            while self._sending or self._pending:
                if not await self._write_chunk():
                    return False
            if not await self._list_new():
                return False
            if not await self._usage.flush():
                return False
            while self._totals_sending is not None or self._totals:
                if not await self._write_totals():
                    return False
            return True

    def tally(self, what: Literal["findings", "infections"]) -> None:
        """Count what watching agents found, or that it put one of them into quarantine."""
        setattr(self._totals, what, getattr(self._totals, what) + 1)
        self._writing.wake()

    async def list(self, limit: int, cursor: str | None = None) -> tuple[tuple[AgentRecord, ...], str | None]:
        """One page of agents, the latest made first, and the cursor of the next page or None.

        An agent that exists all the while stands on exactly one page.

        Raises:
            ValueError: the cursor is none of ours.
            StoreUnavailable: Redis does not answer.
        """
        after, score = _read_cursor(cursor)
        keys = self._connection.keys
        flat = await self._connection.script("list_agents", [keys.agents], [limit, after, score])
        ids = [agent_id.decode() for agent_id in flat[::2]]
        records = await self._read(ids)
        following = _make_cursor(ids[-1], flat[-1].decode()) if len(ids) == limit and ids else None
        return records, following

    async def get(self, agent_id: str) -> AgentRecord | None:
        """One agent, None if there is none of that id. Raises StoreUnavailable."""
        found = await self._read([agent_id])
        return found[0] if found else None

    async def some(self, ids: Sequence[str]) -> tuple[AgentRecord, ...]:
        """Those of these ids that there are, in their order. Raises StoreUnavailable."""
        return await self._read(list(dict.fromkeys(ids)))

    async def _read(self, ids: Sequence[str]) -> tuple[AgentRecord, ...]:
        keys = self._connection.keys
        replies = await self._connection.scripts("read_hash", [([keys.agent(agent_id)], ()) for agent_id in ids])
        records = []
        for reply in replies:
            if isinstance(reply, StoreError):
                raise reply.again()
            if reply:
                records.append(_record(reply))
        return tuple(records)

    # Writing

    async def _write_chunk(self) -> bool:
        """Write some agents, first those whose last try has an unknown outcome: same numbers, so they count once."""
        if not self._sending:
            for agent_id in list(islice(self._pending, _CHUNK)):
                self._number += 1
                sighting = self._pending.pop(agent_id)
                sighting.number = self._number
                self._sending.append(sighting)
        keys = self._connection.keys
        calls = [
            ([keys.agent(s.agent.agent_id), keys.vitals(s.agent.agent_id)], s.arguments(self._writer, self._kept))
            for s in self._sending
        ]
        replies = await self._connection.scripts("see_agent", calls)
        sent, self._sending = self._sending, []
        complete = True
        for sighting, reply in zip(sent, replies, strict=True):
            if isinstance(reply, StoreUnavailable):
                complete = False
                self._keep(sighting, reply)
            elif isinstance(reply, StoreError):
                self.dropped += sighting.requests
                self._rows -= len(sighting.rows)
                logger.error("Redis refused what was seen of agent %s: %s", sighting.agent.agent_id, reply)
            else:
                self._rows -= len(sighting.rows)
                if (first := int(reply[0])) >= 0:
                    self._unlisted[sighting.agent.agent_id] = first
        return complete

    def _keep(self, sighting: Sighting, failure: StoreUnavailable) -> None:
        if failure.sent or sighting.asked:
            # It may be written already: it keeps its number, so that Redis can tell.
            sighting.asked = True
            self._sending.append(sighting)
            return
        newer = self._pending.get(sighting.agent.agent_id)
        if newer is None:
            self._pending[sighting.agent.agent_id] = sighting
        else:
            newer.absorb(sighting)

    async def _list_new(self) -> bool:
        """Enter agents into the list. The known ones too, for it costs Redis no write and mends what a crash left."""
        while self._unlisted:
            some = list(islice(self._unlisted.items(), _CHUNK))
            entries = [part for agent_id, first in some for part in (first, agent_id)]
            try:
                await self._connection.execute("ZADD", self._connection.keys.agents, "NX", *entries)
            except StoreUnavailable:
                return False
            except CommandRefused as error:
                logger.error("Redis refused the list of agents: %s", error)
            for agent_id, _ in some:
                del self._unlisted[agent_id]
        return True

    async def _write_totals(self) -> bool:
        if self._totals_sending is None:
            self._number += 1
            self._totals.number = self._number
            self._totals_sending, self._totals = self._totals, Totals()
        sending = self._totals_sending
        arguments = [self._writer, sending.number, round(self._clock() * 1000), *sending.arguments()]
        try:
            await self._connection.script("count", [self._connection.keys.stats], arguments)
        except StoreUnavailable as error:
            sending.asked = sending.asked or error.sent
            if not sending.asked:
                self._totals.absorb(sending)
                self._totals_sending = None
            return False
        except CommandRefused as error:
            logger.error("Redis refused the totals: %s", error)
        self._totals_sending = None
        return True


def _record(flat: Sequence[bytes]) -> AgentRecord:
    names: dict[str, list[str]] = {"m": [], "t": [], "p": []}
    fields: dict[str, str] = {}
    for raw, value in zip(flat[::2], flat[1::2], strict=True):
        field = raw.decode("utf-8", "replace")
        kind, colon, name = field.partition(":")
        if colon and kind in names:
            names[kind].append(name)
        else:
            fields[field] = value.decode("utf-8", "replace")
    return AgentRecord(
        agent_id=fields["agent_id"],
        verified=fields.get("verified") == "1",
        credential=fields.get("credential"),
        credential_id=fields.get("credential_id", ""),
        name=fields.get("name", fields.get("own_name")),
        client=fields.get("client"),
        first_seen=int(fields["first_seen"]) / 1000,
        last_seen=int(fields["last_seen"]) / 1000,
        models=tuple(sorted(names["m"])),
        tools=tuple(sorted(names["t"])),
        providers=tuple(sorted(names["p"])),
        requests=int(fields["requests"]),
        input_tokens=int(fields["input_tokens"]),
        output_tokens=int(fields["output_tokens"]),
        cost=int(fields.get("cost", 0)),
        proxied=int(fields["proxied"]) / 1000 if "proxied" in fields else None,
        owner_team=fields.get("owner_team"),
        environment=fields.get("environment"),
        active="inactive" not in fields,
        address=fields.get("address"),
        evidence=tuple(Evidence(*item) for item in orjson.loads(fields.get("evidence", "[]"))),
    )


def _make_cursor(agent_id: str, score: str) -> str:
    return base64.urlsafe_b64encode(f"{score}:{agent_id}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str | None) -> tuple[str, int]:
    if cursor is None:
        return "", 0
    try:
        score, _, agent_id = (
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode().partition(":")
        )
        if agent_id:
            return agent_id, int(score)
    except ValueError:
        pass
    raise ValueError(f"not a cursor: {cursor[:80]!r}")
