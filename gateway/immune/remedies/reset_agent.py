"""reset_agent: end the conversation that went wrong and what was granted in it."""

from gateway.immune.prescription import Prescription
from gateway.immune.remedy import Patient, Remedy


def prescribe(patient: Patient) -> Prescription:
    ended = frozenset() if patient.conversation is None else frozenset({patient.conversation})
    return Prescription(("reset_agent",), ended_conversations=ended, once=("revoke_intents",))


RESET_AGENT = Remedy("reset_agent", "end its conversation and revoke its intent tokens", prescribe)
