"""narrow_tools: only the tools the agent had while it was healthy."""

from gateway.immune.prescription import Prescription
from gateway.immune.remedy import Patient, Remedy


def prescribe(patient: Patient) -> Prescription | None:
    """Nothing where no tools are known to be good, because an agent without tools is no agent."""
    left = patient.good_tools - patient.suspect_tools
    return Prescription(("narrow_tools",), only_tools=left) if left else None


NARROW_TOOLS = Remedy("narrow_tools", "offer only the tools it had while it was healthy", prescribe, lasting=True)
