"""Carries out what the immune system decides about an agent: moves it, throttles it, keeps its incident, tells people.

Every effect may be asked for again after a crash and then changes nothing: moves look at where the agent is, incidents
are named after the exchange that opened them.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from gateway.background.keep_incidents import KeepIncidents
from gateway.background.move_agents import MoveAgents
from gateway.background.tell_of_agents import TellOfAgents
from gateway.immune.diagnosis import diagnose
from gateway.immune.evidence import is_severe
from gateway.immune.finding import Finding
from gateway.immune.incident import Incident, incident_id_of
from gateway.immune.lifecycle import Step, on_sigma
from gateway.immune.memory import Result
from gateway.immune.moves import stepped
from gateway.immune.record import Record
from gateway.immune.settings import Immune
from gateway.model.agent import Agent
from gateway.model.lifecycle import Life
from gateway.model.value import value
from gateway.store.fleet import Fleet
from gateway.store.immune_counts import ImmuneCounts
from gateway.store.prescriptions import Prescriptions

log = logging.getLogger(__name__)


@value
class Subject:
    """Whom it is about. `external`: its provider is the cause. `entry`: what the decision came from."""

    agent: Agent
    settings: Immune
    external: bool = False
    entry: str = ""


class Healing(Protocol):
    """What comes after containment."""

    async def ended(self, record: Record, result: Result) -> None: ...

    async def ask_to_block(self, incident: Incident, cause: str) -> None: ...


class ActOnAgents:
    """Every method raises StoreUnavailable.

    Args:
        clock: seconds since the epoch.
        many: how many agents there are.
    """

    def __init__(
        self,
        agents: MoveAgents,
        incidents: KeepIncidents,
        prescriptions: Prescriptions,
        counts: ImmuneCounts,
        fleet: Fleet,
        healing: Healing,
        tell: TellOfAgents,
        *,
        clock: Callable[[], float],
        many: Callable[[], int],
    ) -> None:
        self._agents = agents
        self._incidents = incidents
        self._prescriptions = prescriptions
        self._counts = counts
        self._fleet = fleet
        self._healing = healing
        self._tell = tell
        self._clock = clock
        self._many = many

    def life(self, record: Record) -> Life:
        """Where the agent is: the control state knows of all that were ever blocked."""
        return self._agents.of(record.agent_id) or record.life

    async def do(self, record: Record, step: Step, subject: Subject) -> None:
        """Carry out one step."""
        if step.do == "move" and step.state == "DRAINING":
            await self._block(record, step, subject)
        elif step.do == "move":
            await self._move(record, step, subject)
        elif step.do == "throttle":
            await self._throttle(record, step, subject)
        elif step.do == "unthrottle":
            await self._prescriptions.unthrottle(record.agent_id)
            self._tell.did(record.life, "unthrottle", step.cause)
        elif step.do == "ask":
            incident = await self._open(record, step.cause, subject)
            await self._healing.ask_to_block(incident, step.cause)
        else:
            await self._open(record, step.cause, subject)
            self._tell.warned(record.life, step)

    async def found(self, record: Record, findings: Sequence[Finding], subject: Subject) -> None:
        """Tell of findings, and add them to the incident that is open."""
        for finding in findings:
            self._tell.found(finding)
        incident_id = record.life.incident_id
        if incident_id is None:
            return
        counts = await self._counts.read()

        def having(incident: Incident) -> Incident:
            more = incident.having(findings, ())
            known = {(one.type, one.metric, one.deviation, one.hard) for one in incident.findings}
            if {(one.type, one.metric, one.deviation, one.hard) for one in more.findings} <= known:
                return incident
            told = diagnose(more.findings, counts, external=subject.external, actual=incident.actual_cause)
            return replace(more, diagnoses=told)

        await self._incidents.change(incident_id, having)

    def gives_tools(self, agent_id: str) -> bool:
        """Whether a remedy says which tools the agent has."""
        given = self._prescriptions.of(agent_id)
        return given.only_tools is not None or bool(given.without_tools)

    async def obey(self, record: Record, order: Mapping[str, object]) -> None:
        """Carry out what an operator says about an agent's record."""
        match order:
            case {"do": "accept"}:
                record.state.rebase()
                await self.accept(record)
            case {"do": "unthrottle"}:
                record.course = replace(record.course, throttled=False)
            case _:
                log.warning("an order about agent %s is not known here", record.agent_id)

    async def accept(self, record: Record) -> None:
        """The agent is to be as it is now: no remedy stays that would make it another."""
        case = self._prescriptions.case(record.agent_id)
        if case is not None and case.lasting:
            await self._prescriptions.clear(record.agent_id)
            self._tell.did(record.life, "accept", "this is the new normal")

    async def settle(self, record: Record) -> None:
        """See to it that nothing is left over of a course that began anew: an operator has released the agent."""
        if self.is_left_over(record):
            await self._prescriptions.unthrottle(record.agent_id)

    def is_left_over(self, record: Record) -> bool:
        """Whether a throttle is: also one that was decided by a replica that was stopped meanwhile."""
        case = self._prescriptions.case(record.agent_id)
        return case is not None and case.throttled is not None and not record.course.throttled

    # Steps

    async def _move(self, record: Record, step: Step, subject: Subject) -> None:
        before = record.life
        opens = step.state == "SUSPECTED" and before.incident_id is None
        incident_id = incident_id_of(record.agent_id, subject.entry) if opens else None

        def moved(life: Life) -> Life:
            after = stepped(life, step, self._clock())
            return replace(after, incident_id=incident_id) if opens and after != life else after

        if before.state == "PROBATION" and step.state == "HEALTHY":
            await self._healing.ended(record, "healed")
        async with self._agents.moving(record.agent_id, moved, before) as record.life:
            if opens:
                await self._open(record, step.cause, subject)
            elif step.state == "HEALTHY" and before.incident_id is not None:
                await self._incidents.close(before.incident_id, "HEALTHY")

    async def _block(self, record: Record, step: Step, subject: Subject) -> None:
        if step.sigma and not await self._reserved(record, subject):
            record.course = replace(record.course, throttled=True)
            await self._throttle(record, replace(step, do="throttle"), subject)
            return
        if step.relapse:
            await self._healing.ended(record, "failed")
        before, incident_id = record.life, incident_id_of(record.agent_id, subject.entry)

        def blocked(life: Life) -> Life:
            return stepped(
                life,
                step,
                self._clock(),
                drain_seconds=subject.settings.drain_seconds,
                incident_id=incident_id,
                credential_id=subject.agent.credential_id,
            )

        async with self._agents.moving(record.agent_id, blocked, before) as record.life:
            await self._open(record, step.cause, subject)
        if record.life.state != before.state:
            self._tell.quarantined(record.life)

    async def _reserved(self, record: Record, subject: Subject) -> bool:
        """Whether there is room for one more that is blocked on statistical evidence."""
        most, known = subject.settings.sigma_room(self._many()), on_sigma(self._agents.blocked())
        return await self._fleet.reserve_sigma(record.agent_id, most, known)

    async def _throttle(self, record: Record, step: Step, subject: Subject) -> None:
        await self._open(record, step.cause, subject)
        await self._prescriptions.throttle(record.agent_id, step.cause)
        self._tell.did(record.life, "throttle", step.cause)

    # The incident

    async def _open(self, record: Record, cause: str, subject: Subject) -> Incident:
        """The agent's incident; a new one if there is none."""
        incident_id, life, now = await self._named(record, subject), record.life, self._clock()
        counts = await self._counts.read()
        findings = record.course.findings
        told = diagnose(findings, counts, external=subject.external)
        made = Incident(incident_id, record.agent_id, now, findings=findings, diagnoses=told)

        def known(one: Incident) -> Incident:
            if one.state != life.state:
                return _again(one, life.state, findings)
            return one if one.closed_at is None else one.having(findings, told)

        return await self._incidents.open(replace(made, state=life.state, reason=cause), known)

    async def _named(self, record: Record, subject: Subject) -> str:
        """The id of the agent's incident, which its life names from then on."""
        if record.life.incident_id is not None:
            return record.life.incident_id
        incident_id = incident_id_of(record.agent_id, subject.entry)

        def named(life: Life) -> Life:
            return life if life.incident_id is not None else replace(life, incident_id=incident_id)

        record.life = await self._agents.move(record.agent_id, named, record.life)
        return record.life.incident_id or incident_id


def _again(incident: Incident, state: str, findings: Sequence[Finding]) -> Incident:
    """What a person approved was the healing of a milder case."""
    worse = is_severe(findings) and not is_severe(incident.findings)
    if worse and incident.said("heal") == "approved":
        incident = incident.answered("heal", None)
    return replace(incident, state=state, closed_at=None)
