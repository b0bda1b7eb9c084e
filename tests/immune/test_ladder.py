from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from gateway.immune.diagnosis import CAUSES, Diagnosis
from gateway.immune.ladder import LADDERS, next_treatment, ordered
from gateway.immune.memory import Cause, Memory
from tests.immune.remedies.test_every_remedy import ILL

LOOPING = (Diagnosis("infinite_loop", 0.8), Diagnosis("unknown", 0.2))


def test_every_cause_has_a_ladder() -> None:
    assert set(LADDERS) == set(get_args(Cause)) == set(CAUSES)
    assert all(len(set(ladder)) == len(ladder) for ladder in LADDERS.values())


def test_without_experience_the_order_stands() -> None:
    assert all(ordered(cause, {}) == LADDERS[cause] for cause in CAUSES)


def test_experience_changes_the_order() -> None:
    counts = {"failed:infinite_loop:reset_memory": 9, "healed:infinite_loop:reduce_autonomy": 5}
    assert ordered("infinite_loop", counts)[0] == "reduce_autonomy"
    assert ordered("infinite_loop", counts)[-1] == "reset_memory"
    assert ordered("memory_corruption", counts) == LADDERS["memory_corruption"]  # of another cause it says nothing
    one = {"healed:infinite_loop:revoke_tools": 1}
    assert ordered("infinite_loop", one)[0] == "revoke_tools"


def treat(memory: Memory, incident_id: str = "inc_1") -> tuple[str, str] | None:
    treatment = next_treatment(LOOPING, ILL, memory, incident_id, {})
    return treatment and (treatment.cause, treatment.remedy)


def test_what_failed_is_never_repeated_and_then_the_second_diagnosis_is_tried() -> None:
    memory, tried = Memory(), []
    while (treatment := next_treatment(LOOPING, ILL, memory, "inc_1", {})) is not None:
        tried.append((treatment.cause, treatment.remedy))
        memory, _ = memory.begun("inc_1", treatment.cause, treatment.remedy, 0.0).ended("failed")
    assert [remedy for _, remedy in tried] == [*LADDERS["infinite_loop"], "throttle"]
    assert tried[-1] == ("unknown", "throttle")
    # In a later incident it may be tried for another cause, and for the same never.
    assert treat(memory, "inc_2") == ("unknown", "reset_memory")


def test_what_healed_before_is_tried_first_again() -> None:
    memory, _ = Memory().begun("inc_1", "infinite_loop", "reset_memory", 0.0).ended("healed")
    assert treat(memory, "inc_2") == ("infinite_loop", "reset_memory")


def test_a_remedy_that_can_do_nothing_is_skipped() -> None:
    drift = (Diagnosis("prompt_drift", 0.9),)
    patient = type(ILL)("agt_1")
    treatment = next_treatment(drift, patient, Memory(), "inc_1", {})
    assert treatment is not None and treatment.remedy == "reduce_autonomy" and not treatment.lasting
    assert next_treatment(drift, ILL, Memory(), "inc_1", {}).lasting  # type: ignore[union-attr]


@given(st.permutations(CAUSES))
def test_treatment_ends_for_every_agent(causes: list[Cause]) -> None:
    memory, tried = Memory(), set()
    diagnoses = [Diagnosis(cause, 0.1) for cause in causes]
    while (treatment := next_treatment(diagnoses, ILL, memory, "inc_1", {})) is not None:
        assert (treatment.cause, treatment.remedy) not in tried
        tried.add((treatment.cause, treatment.remedy))
        memory, _ = memory.begun("inc_1", treatment.cause, treatment.remedy, 0.0).ended("failed")
    assert {remedy for _, remedy in tried} == {name for ladder in LADDERS.values() for name in ladder}
