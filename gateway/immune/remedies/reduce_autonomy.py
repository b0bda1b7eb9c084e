"""reduce_autonomy: let the agent plan, one call at a time, and do nothing."""

from gateway.immune.prescription import Prescription
from gateway.immune.remedy import Patient, Remedy


def prescribe(patient: Patient) -> Prescription:
    return Prescription(
        ("reduce_autonomy",),
        plan_only=True,
        serial_calls=True,
        output_tokens=patient.output_tokens,
        tool_calls=1,
    )


REDUCE_AUTONOMY = Remedy("reduce_autonomy", "plan only, one tool call at a time, lower caps", prescribe)
