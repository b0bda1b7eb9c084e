"""Which step a call fits, while a turn is judged."""

from collections.abc import Mapping
from typing import Any

from gateway.intents.claims import IntentClaims, Step
from gateway.phases.bound import Bound
from gateway.store.intent_uses import Used

ADD = Step("s1", "add", arguments={"a": 1})
NAMED = Step("s2", "restart", "cloud", max_uses=2)
LATER = Step("s3", "stop", constraints={"why": {"const": "late"}}, after=("s1",))


def intent(*steps: Step) -> IntentClaims:
    return IntentClaims("int_1", "agt_1", None, steps, 0.0, 60.0, 0.0)


def fit(bound: Bound, tool: str, arguments: Any, server: str | None = None) -> tuple[str | None, str]:
    def holds(step: str, constraints: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]) -> bool:
        return all(given[name] == wanted["const"] for name, wanted in constraints.items() if name in given)

    return bound.fit(tool, server, arguments, holds)


def unused(*steps: Step) -> Used:
    return Used({step.id: 0 for step in steps}, {step.id: 0 for step in steps})


def test_a_call_that_fits_counts_for_the_next_one_of_the_turn() -> None:
    bound = Bound(intent(ADD), unused(ADD))
    assert fit(bound, "add", {"a": 1}) == ("s1", "")
    step, problem = fit(bound, "add", {"a": 1})
    assert (step, problem.partition(":")[0]) == (None, "uses_exhausted")


def test_a_step_of_the_same_turn_is_no_step_before() -> None:
    bound = Bound(intent(ADD, LATER), unused(ADD, LATER))
    assert fit(bound, "add", {"a": 1})[0] == "s1"
    assert fit(bound, "stop", {"why": "late"})[1].startswith("step_order")
    done = Bound(intent(ADD, LATER), Used({"s1": 1, "s3": 0}, {}, frozenset({"s1"})))
    assert fit(done, "stop", {"why": "late"}) == ("s3", "")
    assert fit(done, "stop", {"why": "early"})[1].startswith("arguments_mismatch")


def test_a_call_without_a_server_may_be_meant_for_the_steps() -> None:
    bound = Bound(intent(NAMED), unused(NAMED))
    assert fit(bound, "restart", {}) == ("s2", "")
    assert fit(bound, "restart", {}, "cloud") == ("s2", "")
    assert fit(bound, "restart", {}, "other")[1].startswith("tool_not_in_intent")


def test_the_nearest_reason_is_told() -> None:
    both = (Step("s1", "restart", "cloud", arguments={"a": 1}), Step("s2", "restart", "other", max_uses=1))
    bound = Bound(intent(*both), Used({"s1": 0, "s2": 1}, {}))
    assert fit(bound, "restart", {"a": 2})[1].startswith("uses_exhausted")


def test_what_was_released_fits_the_step_of_its_release() -> None:
    used = Used({"s1": 1}, {"s1": 1})
    assert fit(Bound(intent(ADD), used, executing=True), "add", {"a": 1}) == ("s1", "")
    assert fit(Bound(intent(ADD), used), "add", {"a": 1})[1].startswith("uses_exhausted")


def test_what_was_released_for_one_server_is_not_executed_on_another() -> None:
    used = Used({"s2": 2}, {"s2": 1})
    assert fit(Bound(intent(NAMED), used, executing=True), "restart", {}, "cloud") == ("s2", "")
    assert fit(Bound(intent(NAMED), used, executing=True), "restart", {}) == ("s2", "")
    elsewhere = fit(Bound(intent(NAMED), used, executing=True), "restart", {}, "other")
    assert elsewhere[1].startswith("tool_not_in_intent")
    assert fit(Bound(intent(NAMED), used, executing=True), "Restart", {}, "cloud")[1].startswith("tool_not_in_intent")


def test_nothing_fits_an_intent_whose_uses_are_not_known() -> None:
    assert fit(Bound(intent(ADD), None), "add", {"a": 1})[1].startswith("revoked")
