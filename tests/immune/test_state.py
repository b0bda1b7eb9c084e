import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.immune import constants
from gateway.immune.state import Learned, Watched, dump, load, short
from gateway.immune.watched import watch
from gateway.model.vitals import Vitals
from tests.immune.exchanges import exchange, watched
from tests.immune.test_voices import KINDS, prompt

NUMBERS = st.integers(0, 10**7)
VITALS = st.builds(
    Vitals,
    agent_id=st.just("agt_1"),
    request_id=st.just("req_1"),
    time=st.floats(0, 1e10),
    dialect=st.none(),
    provider=st.none(),
    model=st.sampled_from([None, "a", "b", "c", "d", "e"]),
    stream=st.booleans(),
    status=st.sampled_from([200, 200, 200, 400, 500]),
    latency_ms=st.floats(0, 1e7),
    ttft_ms=st.none() | st.floats(0, 1e7),
    input_tokens=NUMBERS,
    output_tokens=NUMBERS,
    tool_calls=st.integers(0, 100),
    tool_errors=st.integers(0, 1),
    cost_usd=st.none() | st.floats(0, 100),
    prompt_hash=st.none() | st.sampled_from("pq"),
    conversation=st.none() | st.sampled_from([str(number) for number in range(30)]),
    turn=st.none() | st.integers(0, 20),
)


@given(st.lists(VITALS, max_size=60), st.lists(VITALS, max_size=5))
@settings(max_examples=60, deadline=None)
def test_a_state_is_the_same_after_a_round_trip_and_goes_on_the_same(before: list[Vitals], later: list[Vitals]) -> None:
    state = Watched()
    for one in before:
        watch(state, one)
    again = load(dump(state))
    assert again == state
    assert [watch(again, one) for one in later] == [watch(state, one) for one in later]
    assert again == state and dump(again) == dump(state)


def test_a_state_is_never_larger_than_20_kibibytes() -> None:
    draw, state, largest = random.Random(1), Watched(), 0
    for place in range(1_200):
        one = exchange(
            place % 997,
            model=f"a model whose name is a little longer than others, {place % 4}",
            conversation="\N{SNOWMAN}" * 200 + str(place % 60),
            turn=place // 60 % 2 + 1,
            prompt_hash="\ud800" * 100 + str(draw.randrange(20)),
            tools_hash=f"{draw.randrange(20):040x}",
            retries=draw.randrange(2),
            tool_errors=draw.randrange(2),
        )
        watch(state, one)
        largest = max(largest, len(dump(state)))
    print(f"largest state {largest} bytes")
    assert len(state.models) == constants.MODELS_KEPT
    assert largest <= 20 * 1024


def test_nor_is_one_that_learns_all_its_voices_at_once() -> None:
    state, largest, kinds = Watched(), 0, [prompt(kind) for kind in KINDS]
    for place in range(29 * constants.MODELS_KEPT):
        number = place % constants.MODELS_KEPT
        one = exchange(
            place,
            model=f"a model with a name as long as it {number:05}",
            conversation=f"{number}{place // 6:039}",
            turn=place // 50 % 2 + 1,
            prompt_hash=kinds[number] if place % 5 else prompt(KINDS[number], place),
            tools_hash=f"{place % 9:024}",
            retries=place % 2,
            tool_errors=place % 3 == 0,
            denied_calls=place % 4 == 0,
        )
        watch(state, one)
        largest = max(largest, len(dump(state)))
    print(f"largest state {largest} bytes")
    assert len(state.models) == constants.MODELS_KEPT and largest <= 20 * 1024


def test_another_format_is_refused() -> None:
    data = json.loads(dump(Watched())) | {"format": 99}
    with pytest.raises(ValueError, match="99"):
        load(json.dumps(data).encode())


def test_an_agent_is_warm_after_its_first_calls() -> None:
    assert not watched(29).warm and not watched(36, conversation="only one").warm
    assert watched(40).warm


def test_the_deviation_is_that_of_the_metric_furthest_off() -> None:
    state = watched(100)
    assert Watched().deviation == 0.0 and Watched(models={"m": Learned()}).deviation == 0.0
    [finding] = watch(state, exchange(100, cost_usd=9.0))
    assert state.deviation == finding.deviation == state.deviations[finding.metric]


def test_the_new_normal_is_learned_from_the_beginning_with_what_is_known_of_forms() -> None:
    state = watched(100)
    state.rebase()
    assert not state.warm and not state.models
    assert not any(watch(state, exchange(place, prompt_hash="new", cost_usd=9.0)) for place in range(100, 200))


def test_after_healing_all_baselines_learn_faster() -> None:
    state = watched(100)
    state.boost()
    assert {one.boosted for one in state.models["m-1"].baselines.values()} == {constants.BOOSTED_CALLS}


def test_long_names_are_told_apart_by_a_hash() -> None:
    assert short("gpt-4o") == "gpt-4o"
    assert short("a" * 300) != short("a" * 301)
    assert len(short("\ud800" * 300)) <= constants.NAME_KEPT
