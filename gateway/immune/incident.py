"""One case of one agent: what was found, what it may be, what was done. Opened when the agent is blocked, or before."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gateway.immune.course import furthest
from gateway.immune.diagnosis import Diagnosis
from gateway.immune.finding import Finding
from gateway.immune.memory import Cause
from gateway.immune.moves import Trigger
from gateway.immune.plain_json import dumps, loads
from gateway.model.value import value

FORMAT = 2
KEPT_ACTIONS = 50

Question = Literal["heal", "quarantine"]
"""What people are asked about an agent: whether it may be healed, or quarantined on statistical evidence."""
Approval = Literal["pending", "approved", "rejected"]


@value
class Asked:
    """One question. `said` is None where nobody answered in time, `by` the key id of whoever did."""

    approval_id: str
    said: Approval | None = "pending"
    by: str = ""


@value
class Action:
    """One thing done about it: a remedy's name, `approve`, `reject`, … `at` in seconds since the epoch."""

    action: str
    outcome: str
    at: float


@dataclass(frozen=True, slots=True)
class Incident:
    """`asked` are the latest questions to people; `trigger` what began the latest treatment; `actual_cause` what a
    person said it was, `counted_as` the count that this was added to. `state` is the agent's when it changed last,
    `reason` why the incident was opened; `detail` says what many agents suffer from, whose `agent_id` is empty:
    provider, model, how many. Times in seconds since the epoch."""

    incident_id: str
    agent_id: str
    opened_at: float
    closed_at: float | None = None
    findings: tuple[Finding, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    actions: tuple[Action, ...] = ()
    trigger: Trigger | None = None
    asked: Mapping[Question, Asked] = field(default_factory=dict, hash=False)
    actual_cause: Cause | None = None
    counted_as: str = ""
    state: str = ""
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def said(self, question: Question) -> Approval | None:
        """None: it was not asked, or nobody answered in time."""
        asked = self.asked.get(question)
        return None if asked is None else asked.said

    def answered(self, question: Question, said: Approval | None, by: str = "") -> "Incident":
        """With another answer to what was asked; what was not has none."""
        asked = self.asked.get(question)
        if asked is None:
            return self
        return replace(self, asked={**self.asked, question: replace(asked, said=said, by=by or asked.by)})

    def having(self, findings: Sequence[Finding], diagnoses: Sequence[Diagnosis]) -> "Incident":
        """With further findings, of each type and metric the furthest, and diagnosed anew."""
        return replace(self, findings=furthest((*self.findings, *findings)), diagnoses=tuple(diagnoses))

    def acted(self, action: str, outcome: str, at: float) -> "Incident":
        """With one more thing done. The outcome of the latest action of that name takes the place of `applied`."""
        last = self.actions[-1] if self.actions else None
        before = self.actions
        if last is not None and last.action == action and last.outcome == "applied":
            before = self.actions[:-1]
        return replace(self, actions=(*before, Action(action, outcome, at))[-KEPT_ACTIONS:])


def incident_id_of(*about: str) -> str:
    """The same for the same agent, or provider and model, and what began it: whoever sees it, and however often."""
    return "inc_" + hashlib.blake2b("\x00".join(about).encode("utf-8", "replace"), digest_size=8).hexdigest()


def dump(incident: Incident) -> bytes:
    return dumps([FORMAT, incident])


def load(data: bytes) -> Incident:
    """Raises ValueError for a format of another version."""
    version, members = loads(data)
    if version != FORMAT:
        raise ValueError(f"an incident of format {version!r}; this version reads {FORMAT}")
    return Incident(
        **{
            **members,
            "findings": tuple(Finding(**finding) for finding in members["findings"]),
            "diagnoses": tuple(Diagnosis(**diagnosis) for diagnosis in members["diagnoses"]),
            "actions": tuple(Action(**action) for action in members["actions"]),
            "asked": {question: Asked(**asked) for question, asked in members["asked"].items()},
        }
    )
