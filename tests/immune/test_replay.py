from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.immune.replay import Report, run
from gateway.immune.settings import Immune, MetricSettings
from tests.immune.tau2 import HELD, TUNED, Injection, calls, found_share

SEEDS = range(5)
STRICT = Immune(sigma_action="quarantine", latency_quarantines=True)


def replayed(agents: Sequence[str], settings: Immune) -> list[Report]:
    return [run(calls(agent, seed), settings) for agent in agents for seed in SEEDS]


@pytest.mark.exhaustive
@pytest.mark.parametrize("agents", [TUNED, HELD], ids=["tuned on", "held out"])
def test_normal_runs_are_seldom_suspected_and_hardly_ever_quarantined(agents: Sequence[str]) -> None:
    reports = replayed(agents, STRICT)
    made = sum(report.calls for report in reports)
    suspected = 1000 * sum(report.moved("SUSPECTED") for report in reports) / made
    quarantined = 1000 * sum(report.moved("DRAINING") for report in reports) / made
    print(f"suspected {suspected:.2f}, quarantined {quarantined:.2f} per 1,000 of {made} calls")
    assert suspected <= 4
    assert quarantined <= 1


@pytest.mark.exhaustive
@pytest.mark.parametrize("agents", [TUNED, HELD], ids=["tuned on", "held out"])
@pytest.mark.parametrize(
    ("injection", "finding", "least"),
    [
        (lambda one: replace(one, latency_ms=3 * one.latency_ms), "latency_spike", 0.80),
        (lambda one: replace(one, latency_ms=5 * one.latency_ms), "latency_spike", 0.93),
        (lambda one: replace(one, output_tokens=10 * one.output_tokens), "output_token_spike", 0.93),
        (lambda one: replace(one, input_tokens=3 * one.input_tokens), "input_token_spike", 0.83),
    ],
    ids=["latency x3", "latency x5", "output x10", "input x3"],
)
def test_what_is_injected_into_real_runs_is_found_within_ten_calls(
    injection: Injection, finding: str, least: float, agents: Sequence[str]
) -> None:
    share = found_share(agents, SEEDS, injection, finding)
    print(f"{finding} found in {share:.1%}")
    assert share >= least


def test_a_replay_says_what_would_have_happened_with_other_settings() -> None:
    rows = calls("022b3ed1", 1)
    slow = [replace(one, latency_ms=8 * one.latency_ms) if place > 300 else one for place, one in enumerate(rows)]
    usual = run(slow)
    assert usual.agents == 1 and usual.calls == len(rows)
    assert usual.types()["latency_spike"] > 2
    assert usual.moved("SUSPECTED") >= 1 and usual.moved("DRAINING") == 0
    assert usual.did("tell") == 1  # latency alone does not quarantine
    assert run(slow, STRICT).moved("DRAINING") >= 1
    assert not run(slow, Immune(metrics={"latency": MetricSettings(enabled=False)})).types()["latency_spike"]
    assert usual.per_thousand(1) == 1000 / len(rows)
    assert run(()).per_thousand(0) == 0.0


def test_what_all_agents_of_a_provider_suffer_from_is_no_agents_fault() -> None:
    rows = [
        replace(one, agent_id=f"{agent}-{seed}", model="shared", time=1.7e9 + place)
        for agent, seed in [(agent, seed) for agent in HELD[:2] for seed in range(3)]
        for place, one in enumerate(calls(agent, seed)[:200])
    ]
    rows.sort(key=lambda one: one.time)
    slow = [replace(one, latency_ms=8 * one.latency_ms) if one.time > 1.7e9 + 150 else one for one in rows]
    alone = sum(
        run([one for one in slow if one.agent_id == agent], STRICT).moved("DRAINING")
        for agent in {one.agent_id for one in slow}
    )
    assert alone >= 5
    assert run(slow, STRICT).moved("DRAINING") < alone / 2
