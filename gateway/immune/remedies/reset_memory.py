"""reset_memory: let the model forget what led it astray."""

from gateway.immune.prescription import Prescription
from gateway.immune.remedy import Patient, Remedy


def prescribe(patient: Patient) -> Prescription:
    return Prescription(("reset_memory",), drop_history=True)


RESET_MEMORY = Remedy(
    "reset_memory", "leave out the history of its conversations, but for system messages and the last turn", prescribe
)
