"""throttle: slow the agent down, so that whatever goes wrong goes wrong less often."""

from gateway.immune.prescription import Prescription
from gateway.immune.remedy import Patient, Remedy

REQUESTS_PER_MINUTE = 20


def prescribe(patient: Patient) -> Prescription:
    return Prescription(("throttle",), concurrent=1, requests_per_minute=REQUESTS_PER_MINUTE)


THROTTLE = Remedy("throttle", "one request at a time, twenty a minute", prescribe)
