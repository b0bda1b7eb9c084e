"""Heals agents that were blocked: one remedy at a time, a person's approval where it takes one, until none is left.

    QUARANTINED   asked        a severe case waits for a person
                  begun        the remedy is remembered and the agent is HEALING: the owner saves its record
    HEALING       carried out  the prescription, then what is done once, then PROBATION
                  exhausted    no remedy is left
    PROBATION     ended        it healed, or it failed and the next one is tried

One look takes one step, and each step may be repeated: what the next one needs is in the saved record, the incident or
the control state before it is taken.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import cast, get_args

from gateway.background.ask_people import AskPeople
from gateway.background.move_agents import MoveAgents
from gateway.background.quarantine_approved import QuarantineApproved
from gateway.background.tell_of_agents import TellOfAgents
from gateway.background.treat_agents import TreatAgents
from gateway.immune import moves
from gateway.immune.diagnosis import diagnose
from gateway.immune.healing import plan
from gateway.immune.incident import Incident
from gateway.immune.ladder import Treatment, treatment_with
from gateway.immune.memory import Outcome, Result, result_field
from gateway.immune.moves import Trigger
from gateway.immune.record import Record
from gateway.immune.settings import Immune
from gateway.model.lifecycle import Life, State
from gateway.store.immune_counts import ImmuneCounts
from gateway.store.incidents import Incidents


class HealAgents:
    """Every method raises StoreUnavailable; then nothing of the record has changed, and it may be called again.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        agents: MoveAgents,
        incidents: Incidents,
        counts: ImmuneCounts,
        treatments: TreatAgents,
        people: AskPeople,
        approved: QuarantineApproved,
        tell: TellOfAgents,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._agents = agents
        self._incidents = incidents
        self._counts = counts
        self._treatments = treatments
        self._people = people
        self._approved = approved
        self._tell = tell
        self._clock = clock

    # For the owner of the agent's record

    async def look(self, record: Record, life: Life, settings: Immune) -> None:
        """Take the next step with an agent that is QUARANTINED or HEALING, or that a person may want quarantined; with
        others there is nothing to do. The record is to be saved before the next look."""
        if life.state in ("SUSPECTED", "PROBATION") and record.course.asked:
            await self._approved.look(record, life, settings)
        if life.state not in ("QUARANTINED", "HEALING"):
            return
        if life.state == "QUARANTINED" and (life.held or settings.mode != "enforce"):
            return
        incident = await self._incident(record, life)
        if incident.said("quarantine") == "pending":
            await self._people.answered("quarantine", incident, moves.GATEWAY, "it was quarantined on other evidence")
            incident = await self._people.heard("quarantine", incident)
        going = _under_way(record, life, incident)
        if going is not None:
            await self._carry_out(record, incident, going)
            return
        if life.state == "QUARANTINED":
            incident = await self._people.heard("heal", incident)
            if incident.said("heal") in ("pending", "rejected"):
                return
        await self._decide(record, life, incident, settings)

    async def ended(self, record: Record, result: Result) -> None:
        """The agent's probation has ended well, or showed that its treatment failed."""
        memory, outcome = record.memory.ended(result)
        life = self._agents.of(record.agent_id) or record.life
        treated = outcome is not None and _led_to_probation(life, outcome.remedy)
        if outcome is not None and treated:
            await self._note_result(record.agent_id, outcome, result)
        await self._treatments.end(record.agent_id, keep=treated and result == "healed")
        if treated:
            record.memory = memory
            if result == "healed":
                record.state.boost()
                self._tell.healed(life)

    async def ask_to_block(self, incident: Incident, cause: str) -> None:
        """Ask a person whether an agent may be quarantined; `look` hears the answer."""
        await self._people.may_quarantine(incident, cause)

    # For operators, on any replica

    async def heal_now(self, agent_id: str, by: str) -> Life:
        """Heal an agent in an operator's name, whatever was said before and whoever holds it.

        Raises IllegalMove: it is not in quarantine, or it is being healed.
        """
        return await self._heal(agent_id, "heal_now", by)

    async def heal_all(self, by: str) -> list[Life]:
        """Heal all that are in quarantine or exhausted, but for those that somebody holds or whose healing a person has
        rejected; those that are being healed now."""
        found = []
        for life in self._agents.blocked():
            if life.held or life.state not in ("QUARANTINED", "EXHAUSTED"):
                continue
            incident = await self._incidents.get(life.incident_id or "")
            if incident is None or incident.said("heal") != "rejected":
                after = await self._heal(life.agent_id, "heal_all", by)
                if after.state == "HEALING":
                    found.append(after)
        return found

    # The steps

    async def _decide(self, record: Record, life: Life, incident: Incident, settings: Immune) -> None:
        patient, counts = await self._treatments.patient(record, incident), await self._counts.read()
        planned = plan(life, incident, patient, record.memory, counts, settings)
        if planned.do == "exhaust":
            await self._exhaust(record, life, incident)
        elif planned.treatment is not None and planned.do == "ask":
            await self._people.may_heal(incident, planned.treatment)
        elif planned.treatment is not None:
            await self._begin(record, life, incident, planned.treatment)

    async def _begin(self, record: Record, life: Life, incident: Incident, treatment: Treatment) -> None:
        """Remember what is about to be done."""
        life = await self._to_healing(life, incident)
        if life.state != "HEALING":
            return
        trigger = _trigger(life)
        await self._incidents.change(
            incident.incident_id, lambda one: replace(one, trigger=trigger, state=life.state, closed_at=None)
        )
        given = treatment.prescription
        if given.model is not None:
            record.state.accept("model", given.model)
        if given.system_prompt is not None:
            record.state.accept("prompt", given.system_prompt)
        record.memory = record.memory.begun(incident.incident_id, treatment.cause, treatment.remedy, life.since)

    async def _carry_out(self, record: Record, incident: Incident, going: Outcome) -> None:
        """Do what was begun, or give it up."""
        agent_id = record.agent_id
        treatment = treatment_with(going.remedy, going.cause, await self._treatments.patient(record, incident))
        given = treatment is not None and await self._treatments.give(
            agent_id, incident.incident_id, treatment, going.at
        )
        if given is None:
            return
        if not given:
            await self._give_up(record, going)
            return
        await self._acted(incident.incident_id, going.remedy, "applied", "PROBATION")
        life = await self._agents.move(agent_id, lambda one: moves.treated(one, self._clock(), going.remedy))
        if life.state == "PROBATION":
            self._tell.treated(agent_id, incident.incident_id, going.remedy, going.cause, "applied")
        else:  # an operator holds it
            await self._acted(incident.incident_id, going.remedy, "withheld", life.state)
            await self._treatments.end(agent_id)
        self._treatments.forget(agent_id)

    async def _give_up(self, record: Record, going: Outcome) -> None:
        """It could not be done, which says nothing of what it would do to others."""
        memory, _ = record.memory.ended("failed")
        await self._acted(going.incident_id, going.remedy, "failed")
        await self._treatments.end(record.agent_id)
        self._tell.treated(record.agent_id, going.incident_id, going.remedy, going.cause, "failed")
        record.memory = memory

    async def _exhaust(self, record: Record, life: Life, incident: Incident) -> None:
        life = await self._to_healing(life, incident)
        trigger = _trigger(life)
        life = await self._agents.move(record.agent_id, lambda one: moves.exhausted(one, self._clock()))
        if life.state == "EXHAUSTED":
            wanted = trigger in ("heal_now", "heal_all")
            await self._acted(incident.incident_id, trigger if wanted else "exhausted", "no remedy is left", life.state)
            self._tell.exhausted(record.agent_id, incident.incident_id)

    async def _note_result(self, agent_id: str, outcome: Outcome, result: Result) -> None:
        await self._acted(outcome.incident_id, outcome.remedy, result)
        await self._counts.add(result_field(outcome), f"{outcome.incident_id}:{outcome.at}")
        self._tell.treated(agent_id, outcome.incident_id, outcome.remedy, outcome.cause, result)

    # Inside

    async def _heal(self, agent_id: str, trigger: Trigger, by: str) -> Life:
        now = self._clock()
        life = await self._agents.move(agent_id, lambda one: moves.healing(one, now, trigger, by))
        if life.state != "HEALING" or life.since != now:
            return life
        incident = await self._incidents.get(life.incident_id or "")
        if incident is not None:
            await self._people.answered("heal", incident, by, trigger.replace("_", " "))

        def wanted(one: Incident) -> Incident:
            one = one.answered("heal", "approved") if one.said("heal") == "pending" else one
            return replace(one, trigger=trigger, state="HEALING").acted(trigger, "applied", now)

        await self._incidents.change(life.incident_id or "", wanted)
        return life

    async def _to_healing(self, life: Life, incident: Incident) -> Life:
        """The agent where treatment begins, if it is to be treated still."""
        if life.state == "HEALING":
            return life
        asked = incident.asked.get("heal")
        trigger: Trigger = "approval" if incident.said("heal") == "approved" else "auto"
        by = asked.by if asked is not None and asked.by else moves.GATEWAY
        return await self._agents.move(life.agent_id, lambda one: moves.healing(one, self._clock(), trigger, by))

    async def _incident(self, record: Record, life: Life) -> Incident:
        """The agent's, with a diagnosis; a new one if it was lost, or a crash kept it from being opened."""
        incident_id = life.incident_id or f"inc_{record.agent_id}"
        found = await self._incidents.get(incident_id)
        if found is not None and found.diagnoses:
            return found
        counts = await self._counts.read()
        if found is None:
            made = Incident(incident_id, record.agent_id, life.since, state=life.state, reason=life.reason)
            findings = record.course.findings
            return await self._incidents.open(made.having(findings, diagnose(findings, counts)))

        def diagnosed(one: Incident) -> Incident:  # one that an operator opened is not yet
            return one if one.diagnoses else one.having((), diagnose(one.findings, counts))

        return await self._incidents.change(incident_id, diagnosed) or found

    async def _acted(self, incident_id: str, action: str, outcome: str, state: State | None = None) -> None:
        now = self._clock()

        def acted(one: Incident) -> Incident:
            one = one if state is None else replace(one, state=state)
            if one.actions and (one.actions[-1].action, one.actions[-1].outcome) == (action, outcome):
                return one  # a step that is taken once more after a crash
            return one.acted(action, outcome, now)

        await self._incidents.change(incident_id, acted)


def _under_way(record: Record, life: Life, incident: Incident) -> Outcome | None:
    """The treatment that was begun since the agent came to be HEALING, and whose end is not known."""
    last = record.memory.outcomes[-1] if record.memory.outcomes else None
    if last is None or life.state != "HEALING" or last.result is not None:
        return None
    return last if (last.incident_id, last.at) == (incident.incident_id, life.since) else None


def _led_to_probation(life: Life, remedy: str) -> bool:
    """Whether it was this remedy that let the agent through at last, and not an operator."""
    last = next((move for move in reversed(life.history) if move.state == "PROBATION"), None)
    return last is not None and (last.cause, last.by) == (remedy, moves.GATEWAY)


def _trigger(life: Life) -> Trigger:
    """What began the treatment that an agent is in."""
    cause = life.history[-1].cause if life.history else ""
    return cast("Trigger", cause) if cause in get_args(Trigger) else "auto"
