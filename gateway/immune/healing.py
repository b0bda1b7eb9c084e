"""What comes next for an agent that is blocked: a person's approval, a treatment, or the end of the ladder."""

from typing import Literal

from gateway.immune.evidence import needs_person
from gateway.immune.incident import Incident
from gateway.immune.ladder import Treatment, next_treatment
from gateway.immune.memory import Counts, Memory
from gateway.immune.remedy import Patient
from gateway.immune.settings import DEFAULT, Immune
from gateway.model.lifecycle import Life
from gateway.model.value import value


@value
class Plan:
    """stay: nothing, it waits for somebody. ask: a person whether it may be healed with `treatment`. treat: with it.
    exhaust: no remedy is left."""

    do: Literal["stay", "ask", "treat", "exhaust"]
    treatment: Treatment | None = None


STAY = Plan("stay")


def plan(
    life: Life,
    incident: Incident,
    patient: Patient,
    memory: Memory,
    counts: Counts,
    settings: Immune = DEFAULT,
) -> Plan:
    """For an agent that is QUARANTINED, or HEALING because somebody wants it or a replica began it; others stay.

    Whether to go on is asked again each time, with the life as it is then. Where no remedy is left nobody is asked.
    """
    waits = life.held or settings.mode != "enforce" or incident.said("heal") in ("pending", "rejected")
    if life.state != "HEALING" and (life.state != "QUARANTINED" or waits):
        return STAY
    treatment = next_treatment(incident.diagnoses, patient, memory, incident.incident_id, counts)
    if treatment is None:
        return Plan("exhaust")
    asks = life.state == "QUARANTINED" and incident.said("heal") is None
    severe = asks and needs_person(incident.findings, settings.approve_above)
    return Plan("ask" if severe else "treat", treatment)
