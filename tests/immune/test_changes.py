import pytest

from gateway.immune.watched import watch
from tests.immune.exchanges import exchange, watched


@pytest.mark.parametrize(
    ("member", "value", "finding", "metric"),
    [
        ("prompt_hash", "q", "prompt_change", "prompt"),
        ("tools_hash", "u", "tools_change", "toolset"),
        ("model", "m-2", "model_change", "model"),
    ],
)
def test_what_an_agent_did_not_have_before_is_a_finding_the_second_time(
    member: str, value: str, finding: str, metric: str
) -> None:
    state = watched()
    told = [watch(state, exchange(100 + place, **{member: value})) for place in range(12)]
    lasts = 8 if member == "prompt_hash" else 1
    assert [[one.type for one in findings] for findings in told] == [[], *[[finding]] * lasts, *[[]] * (11 - lasts)]
    [one] = told[1]
    assert (one.metric, one.deviation, one.hard, one.detail["now"]) == (metric, None, False, value)


def test_what_the_warm_up_has_seen_is_no_change() -> None:
    state = watched(29)
    assert not any(watch(state, exchange(29 + place, prompt_hash="q")) for place in range(2))
    assert not any(watch(state, exchange(31 + place)) for place in range(60))
    assert not any(watch(state, exchange(91 + place, prompt_hash="q")) for place in range(5))


def test_a_request_without_a_prompt_changes_nothing() -> None:
    state = watched()
    assert not any(watch(state, exchange(100 + place, prompt_hash=None, tools_hash=None)) for place in range(5))


def test_what_a_remedy_or_an_operator_gave_the_agent_is_no_change() -> None:
    state = watched()
    watch(state, exchange(100, model="m-2"))
    state.accept("model", "m-2")
    state.accept("model", "m-2")
    assert not any(watch(state, exchange(101 + place, model="m-2")) for place in range(3))
