"""revoke_tools: take away the tools that the findings are about."""

from gateway.immune.prescription import Prescription
from gateway.immune.remedy import Patient, Remedy


def prescribe(patient: Patient) -> Prescription | None:
    """Nothing where no finding names a tool."""
    suspects = patient.suspect_tools
    return Prescription(("revoke_tools",), without_tools=suspects) if suspects else None


REVOKE_TOOLS = Remedy("revoke_tools", "take away the tools that misbehaved", prescribe, lasting=True)
