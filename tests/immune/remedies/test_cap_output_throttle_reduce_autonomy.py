from gateway.immune.prescription import Prescription
from gateway.immune.remedies.cap_output import CAP_OUTPUT, LEAST, UNKNOWN
from gateway.immune.remedies.reduce_autonomy import REDUCE_AUTONOMY
from gateway.immune.remedies.throttle import THROTTLE
from gateway.immune.remedy import Patient


def test_answers_are_capped_at_what_is_usual() -> None:
    for usual, cap in ((300, 300), (3, LEAST), (None, UNKNOWN)):
        assert CAP_OUTPUT.prescribe(Patient("agt_1", output_tokens=usual)) == Prescription(
            ("cap_output",), output_tokens=cap
        )


def test_a_throttled_agent_makes_one_request_at_a_time() -> None:
    prescription = THROTTLE.prescribe(Patient("agt_1"))
    assert prescription is not None and (prescription.concurrent, prescription.requests_per_minute) == (1, 20)


def test_an_agent_with_less_autonomy_plans() -> None:
    prescription = REDUCE_AUTONOMY.prescribe(Patient("agt_1", output_tokens=300))
    assert prescription == Prescription(
        ("reduce_autonomy",), plan_only=True, serial_calls=True, output_tokens=300, tool_calls=1
    )
