from gateway.immune.prescription import Prescription
from gateway.immune.remedies.reset_agent import RESET_AGENT
from gateway.immune.remedies.reset_memory import RESET_MEMORY
from gateway.immune.remedy import Patient


def test_history_is_dropped() -> None:
    assert RESET_MEMORY.prescribe(Patient("agt_1")) == Prescription(("reset_memory",), drop_history=True)


def test_the_conversation_is_ended_and_what_was_granted_in_it() -> None:
    prescription = RESET_AGENT.prescribe(Patient("agt_1", conversation="conv"))
    assert prescription is not None
    assert prescription.ended_conversations == {"conv"} and prescription.once == ("revoke_intents",)
    assert RESET_AGENT.prescribe(Patient("agt_1")) == Prescription(("reset_agent",), once=("revoke_intents",))
