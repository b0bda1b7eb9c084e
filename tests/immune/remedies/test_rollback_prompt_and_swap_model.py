from gateway.immune.remedies.rollback_prompt import ROLLBACK_PROMPT
from gateway.immune.remedies.swap_model import SWAP_MODEL
from gateway.immune.remedy import Patient


def test_a_changed_prompt_is_rolled_back_and_a_good_one_is_not() -> None:
    prescription = ROLLBACK_PROMPT.prescribe(Patient("agt_1", good_prompt="p1", prompt="p2"))
    assert prescription is not None and prescription.system_prompt == "p1"
    assert ROLLBACK_PROMPT.prescribe(Patient("agt_1", good_prompt="p1", prompt="p1")) is None


def test_another_model_is_swapped_for_the_good_one() -> None:
    prescription = SWAP_MODEL.prescribe(Patient("agt_1", good_model="m1", model="m2"))
    assert prescription is not None and prescription.model == "m1"
    assert SWAP_MODEL.prescribe(Patient("agt_1", good_model="m1", model="m1")) is None
