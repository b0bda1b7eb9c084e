"""The circuit breakers of the providers: stop asking one that fails, start again carefully. Pure: time and randomness
are arguments.

    CLOSED    requests pass; 5 failures in a row, or half of at least 20 in 10 s, open it
    OPEN      requests are refused for 30 s, give or take a fifth; twice as long after each failed probe, up to 300 s
    PROBING   one request passes; its success starts the ramp, its failure opens again
    RAMPING   10, 25, 50 % of the requests pass, 5 s each; then closed. Trouble opens it again

One agent must not close a provider for all others by failing on its own: failures count when the connection could not
be made, or when at least two agents had them.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from typing import Literal, NamedTuple

from gateway.model.errors import Refusal
from gateway.upstream.reply import Unreachable

Key = tuple[str, str | None]
"""Provider and model."""

IN_A_ROW = 5
WINDOW = 10
WINDOW_LEAST = 20
OPEN_SECONDS = 30.0
OPEN_MOST = 300.0
PROBE_LIFE = 60.0
"""Seconds after which a probe that is still running (a stream may take an hour) makes room for another."""
RAMP = (0.10, 0.25, 0.50)
RAMP_STEP = 5.0
RETRY_AFTER_MOST = 60
_KEYS = 1_000
_AGENTS = 2


class Outcome(enum.Enum):
    """How a request ended, as far as it says something about the provider."""

    SUCCESS = "an answer, also one that blames the caller (4xx)"
    FAILURE = "a time-out, a 5xx, a broken answer"
    UNREACHABLE = "no connection could be made"
    NOTHING = "the caller left, the provider asked for patience (429), or the gateway itself refused"


def outcome_of(status: int | None, failure: BaseException | None) -> Outcome:
    """Read an ended exchange: the provider's status if it answered, and what ended it early, if anything."""
    if isinstance(failure, Unreachable):
        return Outcome.UNREACHABLE
    if isinstance(failure, Refusal) and failure.code in (
        "upstream_unavailable",
        "upstream_timeout",
        "upstream_invalid",
    ):
        return Outcome.FAILURE
    if failure is not None or status is None or status == 429:
        return Outcome.NOTHING
    return Outcome.FAILURE if status >= 500 else Outcome.SUCCESS


@dataclass(slots=True)
class _Count:
    """Requests of one second."""

    second: int
    total: int = 0
    failed: int = 0
    unreachable: int = 0
    agents: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Circuit:
    counts: list[_Count] = field(default_factory=list)
    row: int = 0
    row_unreachable: int = 0
    row_agents: set[str] = field(default_factory=set)
    open_until: float = 0.0
    opened_for: float = 0.0  # 0: never opened since it was last closed
    probe_since: float | None = None
    ramp_since: float | None = None

    @property
    def closed(self) -> bool:
        return not self.opened_for


class Troubled(NamedTuple):
    """A circuit that is not closed. `seconds` until the next probe, 0 where one may come or is under way."""

    provider: str
    model: str | None
    state: Literal["open", "probing", "ramping"]
    seconds: float


class Breaker:
    """One circuit for each provider and model.

    Args:
        random: a number in [0, 1), for jitter and for the ramp.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._circuits: dict[Key, _Circuit] = {}

    def check(self, key: Key, now: float) -> None:
        """Let a request pass, or raise Refusal `upstream_unavailable` (503, with `retry_after`).

        A request that passed must be recorded; while probing it is the probe.
        """
        circuit = self._circuits.get(key)
        if circuit is None or not circuit.opened_for:
            return
        if circuit.ramp_since is not None:
            self._ramp(key, circuit, now)
        elif now < circuit.open_until:
            raise self._refusal(key, circuit.open_until - now)
        elif circuit.probe_since is not None and now - circuit.probe_since < PROBE_LIFE:
            raise self._refusal(key, RAMP_STEP)
        else:
            circuit.probe_since = now

    def record(self, key: Key, agent_id: str, outcome: Outcome, now: float) -> None:
        """Count how a request ended."""
        circuit = self._circuits.get(key)
        if circuit is None:
            if outcome is Outcome.NOTHING:
                return
            circuit = self._new(key)
        if circuit.opened_for and circuit.ramp_since is None:
            self._probed(circuit, outcome, now)
        elif outcome is not Outcome.NOTHING:
            self._count(circuit, agent_id, outcome, now)

    def is_open(self, provider: str) -> bool:
        """Whether any circuit of a provider is not closed: nothing is sent to it twice then."""
        return any(key[0] == provider and not circuit.closed for key, circuit in self._circuits.items())

    def troubled(self, now: float) -> list[Troubled]:
        """The circuits that are not closed."""
        return [_shown(key, circuit, now) for key, circuit in self._circuits.items() if not circuit.closed]

    def _count(self, circuit: _Circuit, agent_id: str, outcome: Outcome, now: float) -> None:
        second = int(now)
        counts = circuit.counts
        if not counts or counts[-1].second != second:
            counts.append(_Count(second))
            while counts[0].second <= second - WINDOW:
                del counts[0]
        count = counts[-1]
        count.total += 1
        if outcome is Outcome.SUCCESS:
            if circuit.row:
                circuit.row = circuit.row_unreachable = 0
                circuit.row_agents.clear()
            return
        unreachable = outcome is Outcome.UNREACHABLE
        count.failed += 1
        count.unreachable += unreachable
        circuit.row += 1
        circuit.row_unreachable = circuit.row_unreachable + 1 if unreachable else 0
        for agents in (count.agents, circuit.row_agents):
            if len(agents) < _AGENTS:
                agents.add(agent_id)
        if _in_trouble(circuit):
            self._open(circuit, now)

    def _probed(self, circuit: _Circuit, outcome: Outcome, now: float) -> None:
        """A request that ended while open: the probe, or one that had started before."""
        if circuit.probe_since is None:
            return
        circuit.probe_since = None
        if outcome is Outcome.SUCCESS:
            circuit.ramp_since = now
        elif outcome is not Outcome.NOTHING:
            self._open(circuit, now)

    def _open(self, circuit: _Circuit, now: float) -> None:
        circuit.opened_for = min(OPEN_MOST, circuit.opened_for * 2 or OPEN_SECONDS)
        circuit.open_until = now + circuit.opened_for * (0.8 + 0.4 * self._random())
        circuit.probe_since = circuit.ramp_since = None
        circuit.counts.clear()
        circuit.row = circuit.row_unreachable = 0
        circuit.row_agents.clear()

    def _ramp(self, key: Key, circuit: _Circuit, now: float) -> None:
        assert circuit.ramp_since is not None
        step = int((now - circuit.ramp_since) / RAMP_STEP)
        if step >= len(RAMP):
            circuit.opened_for = 0.0
            circuit.ramp_since = None
        elif self._random() >= RAMP[step]:
            raise self._refusal(key, RAMP_STEP)

    def _refusal(self, key: Key, seconds: float) -> Refusal:
        # Jitter of half either way: those who wait must not all come back in the same second.
        wait = min(RETRY_AFTER_MOST, max(1, ceil(seconds * (0.5 + self._random()))))
        message = f"Provider `{key[0]}` has failed repeatedly for this model and is given time to recover."
        return Refusal("upstream_unavailable", message, status=503, retry_after=wait)

    def _new(self, key: Key) -> _Circuit:
        """Models are named by callers, so circuits are bounded: the oldest closed one goes, else the oldest."""
        if len(self._circuits) >= _KEYS:
            oldest = next((k for k, c in self._circuits.items() if c.closed), next(iter(self._circuits)))
            del self._circuits[oldest]
        circuit = self._circuits[key] = _Circuit()
        return circuit


def _shown(key: Key, circuit: _Circuit, now: float) -> Troubled:
    if circuit.ramp_since is not None:
        return Troubled(*key, "ramping", 0.0)
    seconds = max(0.0, circuit.open_until - now)
    return Troubled(*key, "open" if seconds else "probing", seconds)


def _in_trouble(circuit: _Circuit) -> bool:
    if circuit.row >= IN_A_ROW and (circuit.row_unreachable >= IN_A_ROW or len(circuit.row_agents) >= _AGENTS):
        return True
    total = sum(count.total for count in circuit.counts)
    if total < WINDOW_LEAST:
        return False
    if sum(count.unreachable for count in circuit.counts) * 2 >= total:
        return True
    agents = set().union(*(count.agents for count in circuit.counts))
    return len(agents) >= _AGENTS and sum(count.failed for count in circuit.counts) * 2 >= total
