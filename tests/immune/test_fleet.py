from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.immune.fleet import external, in_company, is_external, tail


@pytest.mark.parametrize(("agents", "needed"), [(1, None), (2, None), (3, 3), (5, 3), (10, 4), (20, 4), (50, 6)])
def test_so_many_agents_are_no_coincidence(agents: int, needed: int | None) -> None:
    assert next((k for k in range(agents + 1) if is_external(k, agents)), None) == needed


@given(st.integers(1, 60), st.integers(0, 60))
def test_the_tail_is_a_chance_that_falls(agents: int, alarming: int) -> None:
    assert 0.0 <= tail(alarming + 1, agents, 0.01) <= tail(alarming, agents, 0.01) <= 1.0 + 1e-12


def test_the_tail_is_the_binomial_one() -> None:
    assert tail(0, 5, 0.2) == 1.0
    assert tail(2, 3, 0.5) == pytest.approx((comb(3, 2) + 1) / 8)


@pytest.mark.parametrize(("alarming", "known", "expected"), [(3, 3, True), (3, 2, True), (9, 1, False), (9, 0, False)])
def test_newcomers_count_as_far_as_known_ones_say_the_same(alarming: int, known: int, expected: bool) -> None:
    assert is_external(alarming, alarming, known=known) == expected


def test_a_large_fleet_is_judged_by_its_share() -> None:
    assert not is_external(100, 10_000)
    assert is_external(1000, 10_000)


def test_only_agents_of_one_provider_and_model_that_alarm_within_a_minute_count() -> None:
    group, other = ("openai", "gpt"), ("openai", "mini")
    active = {group: {f"agt_{n}": 95.0 for n in range(10)}, other: {f"agt_{n}": 95.0 for n in range(10)}}
    alarms = {group: {f"agt_{n}": 100.0 - n for n in range(4)}, other: {"agt_1": 99.0, "agt_2": 99.0}}
    assert external(alarms, active, 100.0) == {group}
    assert external(alarms, active, 159.0) == set()
    assert external(alarms, {}, 100.0) == {group}  # those that alarm are there, whatever else is known


def test_an_agent_in_company_can_wait_for_the_others() -> None:
    assert in_company({"a": 100.0, "b": 90.0, "c": 50.0}, 100.0)
    assert not in_company({"a": 100.0, "b": 90.0, "c": 39.0}, 100.0)
