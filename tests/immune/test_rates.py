from typing import Any

import pytest

from gateway.immune.rates import DENIED, HARD_RUN, UNCOUNTED, UPSTREAM
from gateway.immune.state import Watched
from gateway.immune.watched import watch
from gateway.model.errors import CODES
from tests.immune.exchanges import exchange, watched


def after(calls: int, **bad: Any) -> list[tuple[str, str, bool]]:
    """What is found in so many bad calls of an agent that had none."""
    state = watched()
    found = [one for place in range(calls) for one in watch(state, exchange(100 + place, **bad))]
    return [(one.type, one.metric, one.hard) for one in found]


@pytest.mark.parametrize(
    ("bad", "finding"),
    [
        ({"status": 400}, ("error_rate_spike", "errors", False)),
        ({"status": 200, "error_type": "crashed"}, ("error_rate_spike", "errors", False)),
        ({"status": 500}, ("error_rate_spike", "provider_errors", False)),
        ({"status": 429}, ("error_rate_spike", "provider_errors", False)),
        ({"status": 502, "error_type": "upstream_unavailable"}, ("error_rate_spike", "provider_errors", False)),
        ({"tool_errors": 1}, ("error_rate_spike", "tool_errors", False)),
        ({"retries": 2}, ("high_retry_rate", "retries", False)),
        ({"denied_calls": 1}, ("denied_burst", "denials", False)),
        ({"status": 403, "error_type": "policy_denied"}, ("denied_burst", "denials", False)),
    ],
)
def test_four_bad_calls_in_a_row_are_found(bad: dict[str, Any], finding: tuple[str, str, bool]) -> None:
    assert after(3, **bad) == []
    assert after(4, **bad) == [finding]


def test_what_goes_on_is_found_again_with_each_bad_call_until_good_ones_have_come() -> None:
    assert len(after(8, denied_calls=1)) == 5
    state = watched()
    for place in range(4):
        watch(state, exchange(100 + place, denied_calls=1))
    for place in range(60):
        assert not watch(state, exchange(104 + place))
    assert not watch(state, exchange(164, denied_calls=1))


def test_ten_errors_in_a_row_of_an_agent_that_did_well_are_evidence_by_themselves() -> None:
    assert not any(hard for _, _, hard in after(HARD_RUN - 1, status=400))
    assert after(HARD_RUN, status=400)[-1] == ("error_rate_spike", "errors", True)


def test_an_agent_that_never_did_well_is_not_blocked_for_its_errors() -> None:
    state = Watched()
    found = [one for place in range(3 * HARD_RUN) for one in watch(state, exchange(place, status=400))]
    assert found
    assert not any(one.hard for one in found)


@pytest.mark.parametrize(
    "error",
    ["agent_quarantined", "rate_limit_exceeded", "state_unavailable", "client_gone", "invalid_request"],
)
def test_what_the_gateway_refuses_for_its_own_reasons_is_not_held_against_the_agent(error: str) -> None:
    assert after(20, status=503, error_type=error) == []


def test_every_code_of_the_gateway_is_either_somebodys_fault_or_not_counted() -> None:
    somebodys = UPSTREAM | DENIED
    assert set(CODES) == somebodys | UNCOUNTED - {"client_gone"}
    assert not UNCOUNTED & somebodys
