"""rollback_prompt: put the last good system prompt in the place of a changed one."""

from gateway.immune.prescription import Prescription
from gateway.immune.remedy import Patient, Remedy


def prescribe(patient: Patient) -> Prescription | None:
    """Nothing where the prompt is the good one, or none is known. Helpers of the agent keep the prompts they had."""
    if patient.good_prompt is None or patient.good_prompt == patient.prompt:
        return None
    return Prescription(("rollback_prompt",), system_prompt=patient.good_prompt, usual_prompts=patient.usual_prompts)


ROLLBACK_PROMPT = Remedy("rollback_prompt", "use its last good system prompt", prescribe, lasting=True)
