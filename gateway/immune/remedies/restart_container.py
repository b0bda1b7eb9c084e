"""restart_container: start the agent's container anew."""

from gateway.immune.prescription import Prescription
from gateway.immune.remedy import Patient, Remedy


def prescribe(patient: Patient) -> Prescription | None:
    """Nothing where no container of the agent is known."""
    if "restart_container" not in patient.executors:
        return None
    return Prescription(("restart_container",), once=("restart_container",))


RESTART_CONTAINER = Remedy("restart_container", "restart its container", prescribe)
