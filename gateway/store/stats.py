"""Totals over all agents, for the numbers on the front page. Counted in memory, added to Redis by `Agents.flush`."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.model.vitals import Vitals
from gateway.store.connection import Connection
from gateway.store.lane import Argument
from gateway.store.sighting import amount
from gateway.store.vitals import nanodollars

FIELDS = (
    "executions",
    "errors",
    "denied",
    "client_gone",
    "tool_calls",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost",
    "findings",
    "infections",
)


class Totals:
    """Counts since the last flush. `FIELDS` names what is written; `number` and `asked` as in `Sighting`.

    `denied` counts withheld tool calls and requests refused with 403; `errors` every other exchange that ended in one;
    `infections` how often the gateway put an agent into quarantine by itself.
    """

    __slots__ = (*FIELDS, "asked", "number")

    def __init__(self) -> None:
        self.executions = self.errors = self.denied = self.client_gone = self.tool_calls = 0
        self.input_tokens = self.output_tokens = self.cached_tokens = self.reasoning_tokens = 0
        self.cost = self.findings = self.infections = 0
        self.number = 0
        self.asked = False

    def add(self, vitals: Vitals) -> None:
        """Count one exchange."""
        self.executions += 1
        self.input_tokens += vitals.input_tokens
        self.output_tokens += vitals.output_tokens
        self.cached_tokens += vitals.cached_tokens
        self.reasoning_tokens += vitals.reasoning_tokens
        self.tool_calls += vitals.tool_calls
        self.cost += nanodollars(vitals)
        self.denied += vitals.denied_calls
        error = vitals.error_type
        if error is None:
            if vitals.status >= 400:
                self.errors += 1
        elif error == "client_gone":
            self.client_gone += 1
        elif vitals.status == 403:
            self.denied += 1
        else:
            self.errors += 1

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.executions or self.findings or self.infections)

    def absorb(self, older: "Totals") -> None:
        """Take over counts that were not written after all."""
        for field in FIELDS:
            setattr(self, field, getattr(self, field) + getattr(older, field))

    def arguments(self) -> list[Argument]:
        """Pairs for `count.lua`, zeros left out."""
        return [part for field in FIELDS if (n := getattr(self, field)) for part in (field, amount(n))]


@dataclass(frozen=True, slots=True)
class StatsRecord:
    """The totals as Redis has them. `started` is the time of the first flush ever, seconds since the epoch, or None;
    `cost` is in nanodollars."""

    agents: int = 0
    executions: int = 0
    errors: int = 0
    denied: int = 0
    client_gone: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int = 0
    findings: int = 0
    infections: int = 0
    started: float | None = None
    runtime_seconds: int = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class Stats:
    """Reads the totals.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, connection: Connection, *, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock

    async def read(self) -> StatsRecord:
        """The totals of all replicas.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        keys = self._connection.keys
        flat = await self._connection.script("read_hash", [keys.stats])
        agents = int(await self._connection.execute("ZCARD", keys.agents))
        found = dict(zip(flat[::2], flat[1::2], strict=True))
        counts = {field: int(found.get(field.encode(), 0)) for field in FIELDS}
        started = int(found[b"started"]) / 1000 if b"started" in found else None
        runtime = 0 if started is None else max(0, int(self._clock() - started))
        return StatsRecord(agents=agents, started=started, runtime_seconds=runtime, **counts)
