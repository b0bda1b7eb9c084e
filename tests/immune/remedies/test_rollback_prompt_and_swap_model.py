from gateway.immune.remedies.rollback_prompt import ROLLBACK_PROMPT
from gateway.immune.remedies.swap_model import SWAP_MODEL
from gateway.immune.remedy import Patient


def test_a_changed_prompt_is_rolled_back_and_a_good_one_is_not() -> None:
    prescription = ROLLBACK_PROMPT.prescribe(Patient("agt_1", good_prompt="p1", prompt="p2"))
    assert prescription is not None and prescription.system_prompt == "p1"
    assert ROLLBACK_PROMPT.prescribe(Patient("agt_1", good_prompt="p1", prompt="p1")) is None


def test_what_an_agent_was_known_with_is_left_as_it_is_but_for_the_model_that_went_wrong() -> None:
    usual = {"usual_prompts": frozenset({"p1", "helper"}), "usual_models": frozenset({"m1", "m2", "small"})}
    patient = Patient("agt_1", good_prompt="p1", prompt="p2", good_model="m1", model="m2", **usual)  # type: ignore[arg-type]
    rolled, swapped = ROLLBACK_PROMPT.prescribe(patient), SWAP_MODEL.prescribe(patient)
    assert rolled is not None and rolled.usual_prompts == {"p1", "helper"}
    assert swapped is not None and swapped.usual_models == {"m1", "small"}


def test_another_model_is_swapped_for_the_good_one() -> None:
    prescription = SWAP_MODEL.prescribe(Patient("agt_1", good_model="m1", model="m2"))
    assert prescription is not None and prescription.model == "m1"
    assert SWAP_MODEL.prescribe(Patient("agt_1", good_model="m1", model="m1")) is None
