"""control_agent: ask the agent itself to start afresh, over its control API."""

from gateway.immune.prescription import Prescription
from gateway.immune.remedy import Patient, Remedy


def prescribe(patient: Patient) -> Prescription | None:
    """Nothing where the agent has no control API."""
    return Prescription(("control_agent",), once=("control_agent",)) if "control_agent" in patient.executors else None


CONTROL_AGENT = Remedy("control_agent", "ask it over its control API to start afresh", prescribe)
