"""Which treatment comes next: for the likeliest cause the remedy with the best record that has not failed here.

The record of a remedy is the mean of a Beta distribution over the fleet's outcomes, with a prior of `PRIOR` outcomes
that follows the order below. So the order stands until experience says otherwise.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from gateway.immune.diagnosis import Diagnosis
from gateway.immune.memory import Cause, Counts, Memory, results
from gateway.immune.prescription import Prescription
from gateway.immune.remedies import REMEDIES
from gateway.immune.remedy import Patient
from gateway.model.value import value

PRIOR = 4.0
_FIRST, _STEP = 0.7, 0.06  # prior mean of the first remedy of a ladder, and how much less of each next one
_BY_NAME = {remedy.name: remedy for remedy in REMEDIES}
_AGENT = ("reset_agent", "control_agent", "restart_container")

LADDERS: Mapping[Cause, tuple[str, ...]] = MappingProxyType(
    {
        "prompt_drift": ("rollback_prompt", "swap_model", "reduce_autonomy", *_AGENT),
        "prompt_injection": ("reset_memory", "revoke_tools", "narrow_tools", "reduce_autonomy", *_AGENT),
        "infinite_loop": ("reset_memory", "revoke_tools", "reduce_autonomy", *_AGENT),
        "tool_instability": ("throttle", "revoke_tools", "narrow_tools", "reset_memory", *_AGENT),
        "memory_corruption": ("reset_memory", *_AGENT),
        "cost_overrun": ("cap_output", "throttle", "swap_model", "reset_memory", "reduce_autonomy"),
        "external_cause": ("throttle", "swap_model"),
        "unknown": ("throttle", "reset_memory", "reduce_autonomy", *_AGENT),
    }
)


@value
class Treatment:
    """`lasting`: its prescription stays in force after probation."""

    cause: Cause
    remedy: str
    prescription: Prescription
    lasting: bool


def ordered(cause: Cause, counts: Counts) -> tuple[str, ...]:
    """The remedies against a cause, the one with the best record first."""
    ladder = LADDERS[cause]

    def mean(place: int) -> float:
        healed, failed = results(counts, cause, ladder[place])
        return (healed + PRIOR * (_FIRST - _STEP * place)) / (healed + failed + PRIOR)

    return tuple(ladder[place] for place in sorted(range(len(ladder)), key=lambda place: (-mean(place), place)))


def next_treatment(
    diagnoses: Sequence[Diagnosis], patient: Patient, memory: Memory, incident_id: str, counts: Counts
) -> Treatment | None:
    """None when nothing is left.

    What failed on this agent for a cause is not tried for it again; what failed in this incident is not tried again
    for any, as it would be the same once more.
    """
    tried = memory.tried(incident_id)
    for diagnosis in diagnoses:
        for name in ordered(diagnosis.cause, counts):
            if name in tried or (diagnosis.cause, name) in memory.failed:
                continue
            treatment = treatment_with(name, diagnosis.cause, patient)
            if treatment is not None:
                return treatment
    return None


def treatment_with(name: str, cause: Cause, patient: Patient) -> Treatment | None:
    """The remedy of this name against a cause; None where there is nothing it could do, or no such remedy any more."""
    remedy = _BY_NAME.get(name)
    prescription = remedy.prescribe(patient) if remedy is not None else None
    return None if remedy is None or prescription is None else Treatment(cause, name, prescription, remedy.lasting)


def says(name: str) -> str:
    """What the remedy of this name does, for people."""
    return _BY_NAME[name].says
