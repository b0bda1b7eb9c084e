import pytest

from gateway.immune.state import Watched
from gateway.immune.usual import usual
from gateway.immune.watched import watch
from tests.immune.exchanges import exchange, watched


def test_what_is_usual_is_told_in_units_of_people() -> None:
    state = watched(300)
    known = {one.metric: one for one in usual(state)}
    assert list(known) == ["latency", "ttft", "output", "input_first", "input_growth", "cost", "tools"]
    for metric, typical in {
        "latency": 1_100.0,
        "ttft": 403.0,
        "output": 90.0,
        "input_first": 900.0,
        "input_growth": 1.1,
        "cost": 0.0025,
    }.items():
        one = known[metric]
        assert one.model == "m-1" and one.warm
        assert one.usual == pytest.approx(typical, rel=0.2)
        assert one.low is not None and one.high is not None and one.usual is not None
        assert one.low < one.usual < one.high
    assert known["cost"].calls == 300 and known["input_first"].calls == 38


def test_before_a_first_score_there_are_no_numbers() -> None:
    assert list(usual(Watched())) == []
    for one in usual(watched(10)):
        assert (one.usual, one.low, one.high, one.warm) == (None, None, None, False)


def test_latency_without_answers_is_that_of_empty_ones() -> None:
    state = Watched()
    for place in range(40):
        watch(state, exchange(place, output_tokens=0, latency_ms=300.0))
    [latency] = [one for one in usual(state) if one.metric == "latency"]
    assert latency.usual == pytest.approx(300.0, rel=1e-3)
