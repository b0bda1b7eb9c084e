"""One replica that heals, on a real Redis, and agents for it."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.background.ask_people import AskPeople
from gateway.background.execute_remedies import ExecuteRemedies
from gateway.background.heal_agents import HealAgents
from gateway.background.move_agents import MoveAgents
from gateway.background.quarantine_approved import QuarantineApproved
from gateway.background.take_feedback import TakeFeedback
from gateway.background.tell_of_agents import TellOfAgents
from gateway.background.treat_agents import TreatAgents
from gateway.immune.course import Course
from gateway.immune.diagnosis import diagnose
from gateway.immune.finding import Finding
from gateway.immune.incident import Incident
from gateway.immune.record import Good, Record, fields, new_record, record_of
from gateway.immune.settings import DEFAULT, Immune
from gateway.model.audit import AuditEntry
from gateway.model.lifecycle import Life, drained
from gateway.store.approval_record import Approval, Outcome
from gateway.store.approvals import Approvals
from gateway.store.control import Control
from gateway.store.immune_counts import ImmuneCounts
from gateway.store.incidents import Incidents
from gateway.store.intents import Intents
from gateway.store.prescriptions import Prescriptions
from gateway.store.quarantine import Quarantine
from tests.immune.made import finding
from tests.store.test_control import replica

LOOP = finding("tool_loop", detail={"tool": "search"}, hard=True, conversation="conv_1")
SEVERE = finding("output_token_spike", "output", deviation=9.5)


@dataclass
class Means:
    """Executors that are told what to do, and fail as long as they are to."""

    kinds: frozenset[str] = frozenset()
    failing: bool = False
    did: list[tuple[str, str]] = field(default_factory=list)

    def targets(self, agent_id: str) -> frozenset[str]:
        return self.kinds

    async def do(self, name: str, agent_id: str, incident_id: str) -> None:
        if self.failing:
            raise OSError("there is nobody at the other end")
        self.did.append((name, agent_id))


class KeptPrompts:
    async def has(self, agent_id: str, prompt_hash: str) -> bool:
        return prompt_hash == "good"


@dataclass
class Told:
    """What was counted, and told to events and webhooks."""

    treated_: list[tuple[str, str]] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    moves: list[tuple[str, str]] = field(default_factory=list)
    healed: list[float] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    alerts: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)

    def finding(self, type_: str) -> None:
        self.found.append(type_)

    def moved(self, before: str, after: str) -> None:
        self.moves.append((before, after))

    def treated(self, remedy: str, outcome: str) -> None:
        self.treated_.append((remedy, outcome))

    def healed_after(self, seconds: float) -> None:
        self.healed.append(seconds)


class Healer:
    """Everything that one replica heals with; another one over the same Redis knows the same."""

    def __init__(self, control: Control, means: Means) -> None:
        connection, clock = control._connection, time.time
        self.told, self.means = Told(), means
        self.quarantine = Quarantine(control, connection, clock=clock)
        self.incidents = Incidents(connection, clock=clock, keep_seconds=3600)
        self.prescriptions = Prescriptions(control)
        self.counts = ImmuneCounts(connection, clock=time.monotonic)
        self.approvals = Approvals(connection, clock=clock)
        self.executing = ExecuteRemedies(means)
        tell = TellOfAgents(
            self.told,
            audit=self.told.audit.append,
            notify=lambda kind, data: self.told.events.append((kind, data)),
            alert=lambda kind, data, once: self.told.alerts.append((kind, data, once)),
            clock=clock,
        )
        agents, people = MoveAgents(self.quarantine, tell), AskPeople(self.approvals, self.incidents, clock=clock)
        intents = Intents(connection, control, clock=clock)
        self.treatments = TreatAgents(self.prescriptions, intents, KeptPrompts(), self.executing)
        self.heal = HealAgents(
            agents,
            self.incidents,
            self.counts,
            self.treatments,
            people,
            QuarantineApproved(agents, self.incidents, people, tell, credential_of=_credential_of, clock=clock),
            tell,
            clock=clock,
        )
        self.feedback = TakeFeedback(self.incidents, self.counts).take

    async def ill(self, *findings: Finding, agent_id: str = "agt_1", actual: Any = None) -> Record:
        """An agent that the gateway has quarantined for these findings."""
        life = Life(agent_id, "HEALTHY").moved("DRAINING", time.time(), "ill", "gateway")
        life = drained(replace(life, incident_id=f"inc_{agent_id}", reason="ill", by="gateway"), time.time())
        life, _ = await self.quarantine.change(agent_id, lambda _: life)
        told = diagnose(findings, {}, actual=actual)
        await self.incidents.open(Incident(f"inc_{agent_id}", agent_id, time.time(), findings=findings, diagnoses=told))
        record = new_record(agent_id, time.time())
        record.life, record.good = life, Good("good", "gpt-good", ("read", "search"))
        record.course = Course("QUARANTINED", findings=findings)
        return record

    async def look(self, record: Record, times: int = 1, settings: Immune = DEFAULT) -> Life:
        """As the owner does it: the record is kept between two looks."""
        for _ in range(times):
            life = self.quarantine.of(record.agent_id) or record.life
            await self.heal.look(record, life, settings)
            record.life = self.quarantine.of(record.agent_id) or record.life
            kept = reread(record)
            record.memory, record.state = kept.memory, kept.state
        return record.life

    async def relapse(self, record: Record) -> None:
        """Probation shows that the treatment failed: the agent is blocked again."""
        await self.heal.ended(record, "failed")
        now = time.time()
        record.life, _ = await self.quarantine.change(
            record.agent_id, lambda life: drained(life.moved("DRAINING", now, "relapse", "gateway"), now)
        )

    async def asked(self) -> list[Approval]:
        """All questions, the newest first."""
        return (await self.approvals.page())[0]

    async def answered(self, word: Outcome) -> Approval:
        """A person decides the only question that waits."""
        (approval,) = (await self.approvals.page("pending"))[0]
        await self.approvals.decide([approval.approval_id], word, by="adk_kim")
        return approval

    async def incident(self, agent_id: str = "agt_1") -> Incident:
        found = await self.incidents.get(f"inc_{agent_id}")
        assert found is not None
        return found

    async def actions(self, agent_id: str = "agt_1") -> list[tuple[str, str]]:
        return [(one.action, one.outcome) for one in (await self.incident(agent_id)).actions]


def reread(record: Record) -> Record:
    """As another owner reads it."""
    kept = record_of(record.agent_id, fields(record))
    assert kept is not None
    return kept


def states(life: Life) -> Sequence[str]:
    return [move.state for move in life.history]


async def _credential_of(agent_id: str) -> str:
    return f"crd_{agent_id}"


@asynccontextmanager
async def healer(url: str, means: Means | None = None) -> AsyncIterator[Healer]:
    async with replica(url) as control:
        one = Healer(control, means or Means())
        running = asyncio.create_task(one.executing.run())
        try:
            yield one
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
