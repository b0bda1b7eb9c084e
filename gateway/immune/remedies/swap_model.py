"""swap_model: ask the model that served the agent well before."""

from gateway.immune.prescription import Prescription
from gateway.immune.remedy import Patient, Remedy


def prescribe(patient: Patient) -> Prescription | None:
    """Nothing where it uses that model, or none is known."""
    if patient.good_model is None or patient.good_model == patient.model:
        return None
    usual = patient.usual_models - {patient.model}
    return Prescription(("swap_model",), model=patient.good_model, usual_models=usual)


SWAP_MODEL = Remedy("swap_model", "use the model that served it well before", prescribe, lasting=True)
