"""What the client returns and raises."""

import pickle

import pytest

from gateway.sdk import ApprovalRequired, CreatedAgent, Decision, GatewayUnavailable, PolicyViolationError

DENIED = Decision("restart_service", False, "Not in NORMAL.", "ops/modes", "dec_c_1", "NORMAL")


def test_a_decision_is_true_where_it_allows() -> None:
    allowed = Decision("restart_service", True, "", "ops/allow/0", "dec_c_1")
    assert allowed and not DENIED
    assert allowed.raise_for_denial() is allowed


def test_a_denial_can_be_raised() -> None:
    with pytest.raises(PolicyViolationError) as caught:
        DENIED.raise_for_denial()
    error = caught.value
    assert (error.tool_name, error.mode, error.reason) == ("restart_service", "NORMAL", "Not in NORMAL.")
    assert (error.rule, error.decision_id) == ("ops/modes", "dec_c_1")
    assert str(error) == "restart_service is denied in mode NORMAL: Not in NORMAL."
    assert str(PolicyViolationError("a", None, "why")) == "a is denied: why"


def test_what_a_person_may_lift_is_an_error_of_its_own() -> None:
    waiting = Decision("refund", False, "A person has to approve.", "approval", "dec_c_1", approval_id="apr_1")
    with pytest.raises(ApprovalRequired) as caught:
        waiting.raise_for_denial()
    assert caught.value.approval_id == "apr_1"
    assert isinstance(caught.value, PolicyViolationError)


@pytest.mark.parametrize("error", [PolicyViolationError("a", "M", "why"), GatewayUnavailable("gone", 503)])
def test_errors_pass_between_processes(error: Exception) -> None:
    error.rule = "r"  # type: ignore[attr-defined]
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_a_new_agents_key_is_not_shown_by_accident() -> None:
    assert "agk_" not in repr(CreatedAgent("agt_1", "agk_secret"))
