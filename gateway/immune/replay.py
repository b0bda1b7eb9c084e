"""Stored vitals once more through the same detection and decisions, with other settings: what would have happened."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.immune.course import Course
from gateway.immune.detection import detection
from gateway.immune.evidence import is_shared
from gateway.immune.finding import Finding
from gateway.immune.fleet import Group, external, in_company
from gateway.immune.lifecycle import Health, Step, decide
from gateway.immune.settings import DEFAULT, Immune
from gateway.immune.watched import Watched, watch
from gateway.model.lifecycle import Life
from gateway.model.value import value
from gateway.model.vitals import Vitals


@value
class Event:
    """One step that would have been taken after one exchange. `at` is seconds since the epoch."""

    agent_id: str
    request_id: str
    at: float
    step: Step


@dataclass(frozen=True, slots=True)
class Report:
    """What would have happened, in order. Loops are not in it: vitals do not tell them."""

    calls: int
    agents: int
    findings: tuple[Finding, ...]
    events: tuple[Event, ...]

    def moved(self, state: str) -> int:
        """How often an agent would have come into a state. Who is quarantined comes into DRAINING first."""
        return sum(event.step.do == "move" and event.step.state == state for event in self.events)

    def did(self, do: str) -> int:
        return sum(event.step.do == do for event in self.events)

    def types(self) -> Counter[str]:
        """Findings by type."""
        return Counter(finding.type for finding in self.findings)

    def per_thousand(self, count: int) -> float:
        """A count in calls that agents make."""
        return 1000.0 * count / self.calls if self.calls else 0.0


def run(rows: Iterable[Vitals], settings: Immune = DEFAULT) -> Report:
    """Replay exchanges of any agents, in the order in which they ended, from no knowledge at all.

    An agent that would have been blocked begins again as a healthy one: what it would have done else is not known.
    """
    replay = _Replay(settings)
    calls = 0
    for vitals in rows:
        calls += 1
        replay.take(vitals)
    return Report(calls, len(replay.agents), tuple(replay.findings), tuple(replay.events))


@dataclass(slots=True)
class _Known:
    life: Life
    state: Watched = field(default_factory=Watched)
    course: Course = field(default_factory=Course)


class _Replay:
    def __init__(self, settings: Immune) -> None:
        self.agents: dict[str, _Known] = {}
        self.findings: list[Finding] = []
        self.events: list[Event] = []
        self._settings = settings
        self._detection = detection(settings)
        self._active: dict[Group, dict[str, float]] = {}
        self._alarms: dict[Group, dict[str, float]] = {}

    def take(self, vitals: Vitals) -> None:
        known = self.agents.get(vitals.agent_id)
        if known is None:
            known = self.agents[vitals.agent_id] = _Known(Life(vitals.agent_id))
        findings = watch(known.state, vitals, self._detection)
        self.findings += findings
        health = self._health(known, vitals, findings)
        known.course, steps = decide(known.life, known.course, findings, health, self._settings, now=vitals.time)
        for step in steps:
            self.events.append(Event(vitals.agent_id, vitals.request_id, vitals.time, step))
            if step.do == "move" and step.state is not None:
                known.life = known.life.moved(step.state, vitals.time, step.cause, "replay")
        if known.life.blocked:
            known.life, known.course = Life(vitals.agent_id, "HEALTHY", vitals.time), Course()

    def _health(self, known: _Known, vitals: Vitals, findings: Iterable[Finding]) -> Health:
        group = vitals.provider or "", vitals.model or ""
        active = self._active.setdefault(group, {})
        active[vitals.agent_id] = vitals.time
        shared = any(map(is_shared, findings))
        if shared:
            self._alarms.setdefault(group, {})[vitals.agent_id] = vitals.time
        fleet, ill, company = self._settings.fleet, False, False
        if shared or known.course.waiting:
            ill = group in external({group: self._alarms.get(group, {})}, self._active, vitals.time, fleet)
            company = in_company(active, vitals.time, fleet)
        return Health(known.state.warm, known.state.calls, len(self.agents), 0, ill, company)
