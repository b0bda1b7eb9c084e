import random
from dataclasses import replace
from typing import Any

import pytest

from gateway.immune import constants
from gateway.immune.watched import watch
from tests.immune.exchanges import exchange, watched


def found(place: int = 100, calls: int = 1, *, times: dict[str, float] | None = None, **other: Any) -> set[str]:
    """Types found in calls of a known agent that differ in this way."""
    state = watched(place)
    types = set()
    for one in (exchange(place + more, **other) for more in range(calls)):
        factors = {name: type(getattr(one, name))(getattr(one, name) * by) for name, by in (times or {}).items()}
        types |= {finding.type for finding in watch(state, replace(one, **factors))}
    return types


@pytest.mark.parametrize(
    ("times", "type_"),
    [
        ({"latency_ms": 20}, "latency_spike"),
        ({"ttft_ms": 20}, "latency_spike"),
        ({"output_tokens": 60}, "output_token_spike"),
        ({"input_tokens": 8}, "input_token_spike"),
        ({"cost_usd": 20}, "cost_spike"),
    ],
)
@pytest.mark.parametrize("place", [400, 403], ids=["first turn", "later turn"])
def test_one_exchange_far_off_is_found_at_once(times: dict[str, float], type_: str, place: int) -> None:
    assert type_ in found(place, times=times)


def test_many_tool_calls_in_one_answer_are_an_explosion() -> None:
    assert found(tool_calls=30) == {"tool_explosion"}
    assert found(tool_calls=3) == set()


def test_a_small_lasting_change_is_found_by_its_sum() -> None:
    state = watched(200)
    told = [one for place in range(200, 210) for one in watch(state, exchange(place, latency_ms=3_300.0))]
    assert {one.type for one in told} == {"latency_spike"}
    assert {one.detail["rule"] for one in told} == {"cusum"}


def test_what_lasts_alarms_with_every_call_so_that_it_can_be_confirmed() -> None:
    state = watched(200)
    told = [bool(watch(state, exchange(200 + place, output_tokens=1_500))) for place in range(8)]
    first = told.index(True)
    assert sum(told[first + 1 : first + 6]) >= 3


def test_answers_that_suddenly_say_nothing_are_found() -> None:
    state = watched(200)
    told = [
        one for place in range(200, 212) for one in watch(state, exchange(place, output_tokens=1, latency_ms=500.0))
    ]
    assert {one.type for one in told} == {"output_token_spike"}
    assert all(one.deviation is not None and one.deviation < 0 for one in told)


def test_a_call_slow_because_its_answer_is_long_is_not_slow() -> None:
    state = watched(200)
    one = exchange(200)
    long = replace(one, output_tokens=one.output_tokens * 4, latency_ms=one.latency_ms * 3.5)
    assert "latency_spike" not in {finding.type for finding in watch(state, long)}


def test_input_and_output_growing_at_once_is_a_token_spike_as_well() -> None:
    types = found(403, times={"input_tokens": 10, "output_tokens": 80})
    assert {"input_token_spike", "output_token_spike", "token_spike"} <= types


def test_a_conversation_that_grows_as_always_is_no_spike() -> None:
    state = watched(100)
    assert not any(watch(state, exchange(place)) for place in range(100, 600))


def test_zero_means_that_nobody_measured() -> None:
    nothing = {"latency_ms": 0.0, "ttft_ms": None, "input_tokens": 0, "output_tokens": 0, "cost_usd": None}
    state = watched(100)
    before = {name: one.count for name, one in state.models["m-1"].baselines.items()}
    assert not any(watch(state, exchange(place, **nothing)) for place in range(100, 116))
    after = {name: one.count for name, one in state.models["m-1"].baselines.items()}
    assert {name for name in after if after[name] > before[name]} == {"tools"}
    assert not watch(state, exchange(116))


def test_failed_exchanges_teach_nothing() -> None:
    state = watched(100)
    calls = state.calls
    for place in range(100, 103):
        watch(state, exchange(place, status=500, latency_ms=1e6))
    assert state.calls == calls


def test_calls_without_a_conversation_are_each_their_own() -> None:
    state = watched(40, conversation=None, turn=None, input_tokens=500)
    assert state.conversations == 40
    assert "input_growth" not in state.models["m-1"].baselines
    told = [
        one for place in range(40, 46) for one in watch(state, exchange(place, conversation=None, input_tokens=9_000))
    ]
    assert "input_token_spike" in {one.type for one in told}


def test_a_conversation_taken_up_in_its_middle_is_no_large_beginning() -> None:
    state = watched(200)
    assert not watch(state, exchange(200, conversation="older", turn=30, input_tokens=60_000))


def test_before_the_warm_up_is_over_only_what_nobody_would_doubt_is_told() -> None:
    state = watched(20)
    assert not watch(state, exchange(20, latency_ms=4_000.0))
    assert {one.detail["rule"] for one in watch(state, exchange(21, latency_ms=4e5))} == {"early"}
    assert not watch(watched(10), exchange(10, latency_ms=4e5))


def test_each_model_has_its_own_past_and_few_are_kept() -> None:
    state = watched(100)
    for number in range(20):
        watch(state, exchange(100 + number, model=f"other {number}"))
    assert len(state.models) == constants.MODELS_KEPT
    assert "m-1" not in state.models


def test_slow_poisoning_is_found_as_drift() -> None:
    state, draw = watched(100), random.Random(7).gauss
    types = [
        finding.type
        for hour in range(1, 300)
        for one in (exchange(100 + hour, time=1.7e9 + 3600.0 * hour),)
        for finding in watch(state, replace(one, cost_usd=0.0025 * 1.01**hour * (1 + draw(0.0, 0.1))))
    ]
    assert types == ["drift"]
