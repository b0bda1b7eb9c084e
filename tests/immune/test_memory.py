from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.immune.diagnosis import CAUSES
from gateway.immune.memory import (
    KEPT_OUTCOMES,
    Memory,
    Outcome,
    Pattern,
    dump,
    feedback,
    feedback_field,
    load,
    patterns,
    result_field,
    results,
)


def test_what_failed_on_an_agent_is_never_forgotten() -> None:
    memory = Memory()
    for number in range(KEPT_OUTCOMES + 10):
        memory = memory.begun(f"inc_{number}", "infinite_loop", "throttle" if number else "reset_memory", float(number))
        memory, _ = memory.ended("failed" if number == 0 else "healed")
    assert len(memory.outcomes) == KEPT_OUTCOMES
    assert memory.failed == {("infinite_loop", "reset_memory")}


def test_a_treatment_ends_once() -> None:
    memory = Memory().begun("inc_1", "cost_overrun", "cap_output", 5.0)
    memory, outcome = memory.ended("failed")
    assert outcome == Outcome("inc_1", "cost_overrun", "cap_output", 5.0, "failed")
    assert memory.ended("healed") == (memory, None)
    assert Memory().ended("healed") == (Memory(), None)
    assert memory.tried("inc_1") == {"cap_output"} and memory.tried("inc_2") == frozenset()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(CAUSES),
            st.sampled_from(["throttle", "reset_agent"]),
            st.sampled_from(["healed", "failed", None]),
        ),
        max_size=60,
    )
)
def test_it_is_the_same_after_a_round_trip(treatments: list[tuple[str, str, str | None]]) -> None:
    memory = Memory()
    for number, (cause, remedy, result) in enumerate(treatments):
        memory = memory.begun(f"inc_{number}", cause, remedy, number + 0.5)  # type: ignore[arg-type]
        if result is not None:
            memory, _ = memory.ended(result)  # type: ignore[arg-type]
    assert load(dump(memory)) == memory
    assert len(dump(memory)) < 8192


def test_a_memory_of_another_format_is_not_read() -> None:
    with pytest.raises(ValueError, match="format 9"):
        load(b"[9,[],[]]")


def test_the_fleets_memory_is_a_table_of_counts() -> None:
    counts: Counter[str] = Counter()
    for result in ("healed", "healed", "failed"):
        counts[result_field(Outcome("inc_1", "infinite_loop", "reset_memory", 0.0, result))] += 1  # type: ignore[arg-type]
    counts[result_field(Outcome("inc_1", "unknown", "throttle", 0.0, "failed"))] += 1
    counts[feedback_field("tool_loop", "infinite_loop")] += 1
    assert results(counts, "infinite_loop", "reset_memory") == (2, 1)
    assert results(counts, "infinite_loop", "throttle") == (0, 0)
    assert feedback(counts, "tool_loop", ["infinite_loop", "unknown"]) == {"infinite_loop": 1, "unknown": 0}
    assert patterns(counts) == (
        Pattern("infinite_loop", "reset_memory", 2, 1),
        Pattern("unknown", "throttle", 0, 1),
    )
