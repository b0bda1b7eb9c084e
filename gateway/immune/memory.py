"""What treatments did and what people said were the causes: counts that replicas add to, and what failed on one agent.

The fleet's memory is a flat table of counts, so that a store adds to it without reading it first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from gateway.immune.finding import FindingType
from gateway.immune.plain_json import dumps, loads
from gateway.model.value import value

FORMAT = 1
KEPT_OUTCOMES = 50

Cause = Literal[
    "prompt_drift",
    "prompt_injection",
    "infinite_loop",
    "tool_instability",
    "memory_corruption",
    "cost_overrun",
    "external_cause",
    "unknown",
]
Result = Literal["healed", "failed"]
Counts = Mapping[str, int]
"""By field, as `result_field` and `feedback_field` below give it."""


@value
class Outcome:
    """A treatment of one agent. `at` in seconds since the epoch; `result` None: it is on probation."""

    incident_id: str
    cause: Cause
    remedy: str
    at: float
    result: Result | None = None


@value
class Pattern:
    """What a remedy did against a cause over the whole fleet, for people to read."""

    cause: str
    remedy: str
    healed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Memory:
    """One agent's treatments: the latest outcomes, and every remedy that ever failed on it, by cause."""

    outcomes: tuple[Outcome, ...] = ()
    failed: frozenset[tuple[Cause, str]] = frozenset()

    def begun(self, incident_id: str, cause: Cause, remedy: str, at: float) -> "Memory":
        return replace(self, outcomes=(*self.outcomes, Outcome(incident_id, cause, remedy, at))[-KEPT_OUTCOMES:])

    def ended(self, result: Result) -> tuple["Memory", Outcome | None]:
        """What the treatment that is on probation did; None where none is."""
        if not self.outcomes or self.outcomes[-1].result is not None:
            return self, None
        last = replace(self.outcomes[-1], result=result)
        failed = self.failed | {(last.cause, last.remedy)} if result == "failed" else self.failed
        return Memory((*self.outcomes[:-1], last), failed), last

    def tried(self, incident_id: str) -> frozenset[str]:
        """The remedies that failed in one incident, for whatever cause: the same once more would be the same again."""
        return frozenset(o.remedy for o in self.outcomes if o.incident_id == incident_id and o.result == "failed")


def result_field(outcome: Outcome) -> str:
    """The count that an outcome adds one to."""
    return f"{outcome.result}:{outcome.cause}:{outcome.remedy}"


def feedback_field(leading: FindingType, actual: Cause) -> str:
    """The count that a person's word adds one to: what was the cause behind an incident led by such a finding."""
    return f"actual:{leading}:{actual}"


def results(counts: Counts, cause: str, remedy: str) -> tuple[int, int]:
    """How often a remedy healed and failed."""
    return counts.get(f"healed:{cause}:{remedy}", 0), counts.get(f"failed:{cause}:{remedy}", 0)


def feedback(counts: Counts, leading: FindingType, causes: Iterable[Cause]) -> dict[Cause, int]:
    """How often people named each cause."""
    return {cause: counts.get(feedback_field(leading, cause), 0) for cause in causes}


def patterns(counts: Counts) -> tuple[Pattern, ...]:
    """The most frequent first."""
    pairs = {tuple(name.split(":")[1:]) for name in counts if name.startswith(("healed:", "failed:"))}
    found = [Pattern(cause, remedy, *results(counts, cause, remedy)) for cause, remedy in pairs]
    return tuple(sorted(found, key=lambda p: (-p.healed - p.failed, p.cause, p.remedy)))


def dump(memory: Memory) -> bytes:
    rows = [[o.incident_id, o.cause, o.remedy, o.at, o.result] for o in memory.outcomes]
    return dumps([FORMAT, rows, sorted(memory.failed)])


def load(data: bytes) -> Memory:
    """Raises ValueError for a format of another version."""
    document = loads(data)
    if document[0] != FORMAT:
        raise ValueError(f"a memory of format {document[0]!r}; this version reads {FORMAT}")
    _, rows, failed = document
    return Memory(tuple(Outcome(*row) for row in rows), frozenset((cause, remedy) for cause, remedy in failed))
