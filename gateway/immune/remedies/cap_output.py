"""cap_output: no longer answers than the agent used to get."""

from gateway.immune.prescription import Prescription
from gateway.immune.remedy import Patient, Remedy

UNKNOWN = 1024
"""Tokens, where nobody knows what is usual."""

LEAST = 64
"""Tokens; with less, an answer with a tool call is cut in the middle of it."""


def prescribe(patient: Patient) -> Prescription:
    usual = UNKNOWN if patient.output_tokens is None else max(LEAST, patient.output_tokens)
    return Prescription(("cap_output",), output_tokens=usual)


CAP_OUTPUT = Remedy("cap_output", "cap its answers at what is usual for it", prescribe)
