"""What the immune system does, counted where it does it, exported under the names it has outside.

Every label is one of few: types, metrics, states, remedies and strategies are words of ours. Nothing is kept by agent.
"""

from collections.abc import Callable, Iterable
from typing import Literal, get_args

from gateway.immune.constants import METRICS
from gateway.immune.finding import FindingType
from gateway.immune.remedies import REMEDIES
from gateway.model.lifecycle import MOVES
from gateway.telemetry import names
from gateway.telemetry.instruments import Counter, Distribution, Histogram, Instrument, Observed, Reading

IncidentState = Literal["opened", "closed"]
Outcome = Literal["applied", "healed", "failed"]
Tallied = Literal["findings", "infections"]

_LAG_BOUNDS = (0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_HEAL_BOUNDS = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 14_400, 86_400)
_WORDS = 200  # of one label, far more than there are
_RECENT_SECONDS = 30.0
_METRICS = tuple(metric.name for metric in METRICS)
_STRATEGIES = ("process", "container", "webhook", "control")


class ImmuneNumbers:
    """One process's. Its methods take about a microsecond and never raise.

    Args:
        clock: seconds, monotonic.
        partitions: how many parts of all agents this process watches now.
        tally: counts findings and quarantines that began with them over all replicas, for ever.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        partitions: Callable[[], int] = lambda: 0,
        tally: Callable[[Tallied], None] = lambda what: None,
    ) -> None:
        self.partitions = partitions
        self.tally = tally
        self._findings = _counter(names.FINDINGS, "{finding}", "What looked unusual about agents, by type.")
        self._moves = _counter(names.TRANSITIONS, "{transition}", "Moves of agents in their lifecycle.")
        self._actions = _counter(names.HEAL_ACTIONS, "{action}", "What was done to heal agents, by what became of it.")
        self._incidents = _counter(names.INCIDENTS, "{incident}", "Incidents that were opened, and closed.")
        self._failures = _counter(names.ENFORCEMENT_FAILURES, "{try}", "Failed tries to stop or start agents outside.")
        self._healing = Histogram(
            names.HEAL_DURATION, "s", "From an agent's block to its healing.", bounds=_HEAL_BOUNDS
        )
        self._lags = Histogram(names.WATCH_LAG, "s", "From an exchange's end to its being watched.", bounds=_LAG_BOUNDS)
        self._healed: Distribution = self._healing.child({})
        self._lag: Distribution = self._lags.child({})
        self._furthest = _Furthest(clock)
        # From the beginning at 0: Prometheus does not see the rise of a series that begins above it.
        for kind in get_args(FindingType):
            self._findings.child({"type": kind})
        for before, following in MOVES.items():
            for after in following:
                self._moves.child({"from": before, "to": after})
        for state in get_args(IncidentState):
            self._incidents.child({"state": state})
        for remedy in REMEDIES:
            for outcome in get_args(Outcome):
                self._actions.child({"action": remedy.name, "outcome": outcome})
        for strategy in _STRATEGIES:
            self._failures.child({"strategy": strategy})
        self._healed.used = self._lag.used = True

    def finding(self, kind: str) -> None:
        """A finding of this type was raised."""
        self._findings.child({"type": kind}).add(1)
        self.tally("findings")

    def deviated(self, metric: str, deviation: float) -> None:
        """An exchange was this many σ off its agent's baseline, of this metric; either way counts."""
        self._furthest.note(metric, abs(deviation))

    def moved(self, before: str, after: str) -> None:
        """The immune system moved an agent from one state of its lifecycle to another."""
        self.transition(before, after)
        if after == "DRAINING":
            self.tally("infections")

    def transition(self, before: str, after: str) -> None:
        """Somebody did."""
        self._moves.child({"from": before, "to": after}).add(1)

    def treated(self, remedy: str, outcome: str) -> None:
        """A remedy was `applied`, and later: it `healed` or `failed`."""
        self._actions.child({"action": remedy, "outcome": outcome}).add(1)

    def healed_after(self, seconds: float) -> None:
        """An agent is healthy again, this long after it was blocked."""
        self._healed.record(max(0.0, seconds))

    def incident(self, state: IncidentState) -> None:
        self._incidents.child({"state": state}).add(1)

    def watched(self, lag_seconds: float) -> None:
        """An exchange was watched this long after it had ended; clocks of two machines may differ."""
        self._lag.record(max(0.0, lag_seconds))

    def enforcement_failed(self, strategy: str) -> None:
        """A try to stop, start or treat an agent by other means than blocking failed."""
        self._failures.child({"strategy": strategy}).add(1)

    def instruments(self) -> Iterable[Instrument]:
        yield from (self._findings, self._moves, self._actions, self._incidents, self._failures)
        yield from (self._healing, self._lags)
        yield Observed(
            names.DEVIATION,
            "gauge",
            "{sigma}",
            "How far the furthest agent was off its baseline within the last 30 to 60 s.",
            self._furthest.read,
        )
        yield Observed(
            names.WATCH_PARTITIONS,
            "gauge",
            "{partition}",
            "Parts of all agents that this process watches.",
            lambda: [({}, float(self.partitions()))],
        )


class _Furthest:
    """The largest of recent numbers by metric; two windows, so that whoever reads late or twice sees it too."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self._now: dict[str, float] = {}
        self._before: dict[str, float] = {}

    def note(self, metric: str, number: float) -> None:
        self._turn()
        if number > self._now.get(metric, 0.0) and (metric in self._now or len(self._now) < _WORDS):
            self._now[metric] = number

    def read(self) -> Reading:
        self._turn()
        metrics = dict.fromkeys([*_METRICS, *self._before, *self._now])
        return [({"metric": one}, max(self._now.get(one, 0.0), self._before.get(one, 0.0))) for one in metrics]

    def _turn(self) -> None:
        passed = self._clock() - self._since
        if passed >= _RECENT_SECONDS:
            self._before = self._now if passed < 2 * _RECENT_SECONDS else {}
            self._now = {}
            self._since = self._clock()


def _counter(name: str, unit: str, description: str) -> Counter:
    return Counter(name, unit, description, limit=_WORDS)
