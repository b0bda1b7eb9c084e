from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.immune.diagnosis import CAUSES, RULES, Diagnosis, diagnose
from gateway.immune.finding import FindingType
from gateway.immune.memory import feedback_field
from tests.immune.made import finding

TYPES = st.sampled_from(get_args(FindingType))


@pytest.mark.parametrize(
    ("types", "cause"),
    [
        (["tool_loop"], "infinite_loop"),
        (["tool_explosion"], "infinite_loop"),
        (["prompt_change"], "prompt_drift"),
        (["unsanctioned_call"], "prompt_injection"),
        (["denied_burst", "unsanctioned_call"], "prompt_injection"),
        (["input_token_spike"], "memory_corruption"),
        (["cost_spike", "output_token_spike"], "cost_overrun"),
        (["output_token_spike"], "cost_overrun"),
        (["input_token_spike", "cost_spike", "latency_spike"], "memory_corruption"),
        (["tool_loop", "tool_explosion"], "infinite_loop"),
        (["latency_spike"], "external_cause"),
        (["error_rate_spike"], "tool_instability"),
        (["error_rate_spike", "high_retry_rate"], "tool_instability"),
        (["new_client"], "unknown"),
        ([], "unknown"),
    ],
)
def test_findings_lead_to_the_cause_that_people_expect(types: list[FindingType], cause: str) -> None:
    assert diagnose([finding(type_) for type_ in types], {})[0].cause == cause


def test_every_type_speaks_for_something() -> None:
    assert set(RULES) == set(get_args(FindingType))
    assert all(0.0 < weight < 1.0 for weights in RULES.values() for weight in weights.values())
    assert all(sum(weights.values()) < 1.0 for weights in RULES.values())


def test_the_fleets_word_on_the_provider_comes_first() -> None:
    found = [finding("error_rate_spike"), finding("latency_spike")]
    assert diagnose(found, {}, external=True)[0].cause == "external_cause"
    assert diagnose([finding("tool_loop")], {}, external=True)[0].cause == "infinite_loop"


@given(
    st.lists(TYPES, min_size=1, max_size=6),
    st.dictionaries(st.builds(feedback_field, TYPES, st.sampled_from(CAUSES)), st.integers(0, 1000)),
    st.booleans(),
)
def test_confidences_are_shares_ranked_and_supported(
    types: list[FindingType], counts: dict[str, int], external: bool
) -> None:
    found = diagnose([finding(type_) for type_ in types], counts, external=external)
    assert sum(d.confidence for d in found) <= 1.01
    assert [d.confidence for d in found] == sorted((d.confidence for d in found), reverse=True)
    assert "unknown" in {d.cause for d in found}
    supported = {cause for type_ in types for cause in RULES[type_]} | {"unknown", "external_cause"}
    assert {d.cause for d in found} <= supported


def test_feedback_moves_confidence_towards_the_share_that_was_confirmed() -> None:
    found = [finding("output_token_spike")]
    before = {d.cause: d.confidence for d in diagnose(found, {})}
    counts = {feedback_field("output_token_spike", "prompt_drift"): 6}
    after = {d.cause: d.confidence for d in diagnose(found, counts)}
    assert after["prompt_drift"] > before["prompt_drift"] and after["cost_overrun"] < before["cost_overrun"]
    assert after["prompt_drift"] <= 1 - 0.75**3  # no more than the evidence supports
    named = diagnose(found, {feedback_field("output_token_spike", "prompt_injection"): 99})
    assert "prompt_injection" not in {d.cause for d in named}  # nothing at hand speaks for it
    other = diagnose([finding("cost_spike")], counts)
    assert other == diagnose([finding("cost_spike")], {})  # another kind of incident


def test_more_signs_support_more() -> None:
    def sure(*types: FindingType) -> float:
        return next(d.confidence for d in diagnose([finding(t) for t in types], {}) if d.cause == "cost_overrun")

    assert sure("cost_spike", "output_token_spike") > sure("output_token_spike")


def test_a_persons_word_on_this_incident_ends_all_guessing() -> None:
    assert diagnose([finding("tool_loop")], {}, actual="tool_instability") == (Diagnosis("tool_instability", 1.0),)
