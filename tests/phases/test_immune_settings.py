import time
from typing import Any

import pytest

from gateway.immune.loops import loop_in
from gateway.immune.settings import DEFAULT, Immune, LoopLimits
from gateway.model.agent import Agent
from gateway.model.transcript import MadeCall, Transcript
from gateway.phases.immune_settings import ImmuneSettings
from gateway.phases.policies import InForce, Policies, in_force
from gateway.policy.document import parse

SRE = Agent("agt_1", verified=True, name="sre-1", owner_team="platform", environment="prod")
OTHER = Agent("agt_2")


def documents(*written: dict[str, Any], servers: tuple[str, ...] = ()) -> InForce:
    return in_force([parse({"name": f"d{at}", **raw}, "x") for at, raw in enumerate(written)], servers=servers)


def settings(*written: dict[str, Any], agent: Agent = SRE, shadow: bool = False) -> Immune:
    return ImmuneSettings(Policies(documents(*written)), shadow).of(agent)


def test_without_documents_they_are_the_defaults() -> None:
    found = settings()
    assert (found.mode, found.metrics, found.fleet) == (DEFAULT.mode, {}, DEFAULT.fleet)
    assert found.loops.identical == LoopLimits().identical and not found.loops.polling


def test_the_most_specific_document_has_the_last_word_on_each_member() -> None:
    wide = {"immune": {"mode": "warn", "approve_above": 3, "sigma_share": 0.5, "drain_seconds": 1}}
    team = {"match": {"teams": ["platform"]}, "immune": {"approve_above": 4, "sigma_share": 0.4}}
    one = {"match": {"agents": ["sre-*"]}, "immune": {"sigma_share": 0.3}}
    found = settings(one, wide, team)
    assert (found.mode, found.approve_above, found.sigma_share, found.drain_seconds) == ("warn", 4, 0.3, 1)
    assert settings(one, wide, team, agent=OTHER).approve_above == 3


def test_of_equally_specific_documents_the_last_one_counts() -> None:
    assert settings({"immune": {"mode": "enforce"}}, {"immune": {"mode": "warn"}}).mode == "warn"
    assert settings({"immune": {"mode": "warn"}}, {"immune": {"mode": "enforce"}}).mode == "enforce"


def test_a_document_in_shadow_sets_nothing() -> None:
    shadowed = {"enforcement": "shadow", "immune": {"mode": "warn"}, "loops": {"block_at": 5}}
    polling = {"enforcement": "shadow", "tools": {"wait": {"polling": True}}}
    found = settings(shadowed, polling)
    assert found.mode == "enforce" and found.loops.block_at == 6 and "wait" not in found.loops.polling


def test_a_gateway_in_shadow_does_nothing_whatever_documents_say() -> None:
    found = settings({"immune": {"mode": "enforce", "approve_above": 3}, "loops": {"block_at": 5}}, shadow=True)
    assert (found.mode, found.approve_above, found.loops.block_at) == ("shadow", 3, 5)


def test_the_limits_of_loops_are_those_of_the_strictest_document_and_no_mixture() -> None:
    loose = {"loops": {"identical_calls": 8, "window": 30, "block_at": 20}}
    assert settings(loose).loops.block_at == 20
    tight = {"match": {"agents": ["sre-*"]}, "loops": {"identical_calls": 3, "window": 5, "block_at": 4}}
    for given in ((loose, tight), (tight, loose)):
        limits = settings(*given).loops
        assert (limits.identical, limits.window, limits.block_at) == (3, 5, 4)
    assert settings(loose, tight, agent=OTHER).loops.identical == 8


@pytest.mark.parametrize(
    "written", ["get_job_status", "getJobStatus", "mcp__jobs__get_job_status", "jobs.GetJobStatus"]
)
def test_a_polled_tool_is_known_however_its_name_is_written(written: str) -> None:
    policies = Policies(documents({"tools": {"get_job_status": {"polling": True}, "other": {}}}, servers=("jobs",)))
    limits = ImmuneSettings(policies, False).of(SRE).loops
    assert written in limits.polling and written in limits.polling
    assert "other" not in limits.polling and 3 not in limits.polling and list(limits.polling) == ["get_job_status"]
    calls = tuple(MadeCall(written, {"job": 1}, f"c{at}", at) for at in range(20))
    assert loop_in(Transcript((), calls), lambda said: False, limits) is None
    looping = loop_in(Transcript((), calls), lambda said: False, LoopLimits())
    assert looping is not None and looping.blocks


def test_they_change_when_documents_do_and_stay_the_same_until_then() -> None:
    policies = Policies(documents({"immune": {"mode": "warn"}}))
    found = ImmuneSettings(policies, False)
    first = found.of(SRE)
    assert found.of(SRE) is first and found.of(OTHER) is first
    policies.current = documents({"immune": {"mode": "shadow"}})
    assert found.of(SRE).mode == found.of(OTHER).mode == "shadow"


def test_asking_again_costs_next_to_nothing() -> None:
    found = ImmuneSettings(Policies(documents({"immune": {"mode": "warn"}})), False)
    found.of(SRE)

    def batch() -> float:
        begun = time.perf_counter()
        for _ in range(1000):
            found.of(SRE)
        return (time.perf_counter() - begun) / 1000

    assert min(batch() for _ in range(20)) < 5e-6  # 0.2 µs where nobody else works; a machine may be slow


def test_tools_by_which_widely_used_agents_wait_are_polled_without_being_named() -> None:
    polling = settings().loops.polling
    assert "BashOutput" in polling and "write_stdin" in polling and "Bash" not in polling and not polling
    named = settings({"tools": {"get_job_status": {"polling": True}}}).loops.polling
    assert "TaskOutput" in named and "get_job_status" in named and len(named) == 1
