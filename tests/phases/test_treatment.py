"""A prescription as a document of policy: of one agent, and it only takes away."""

from typing import Any

import pytest

from gateway.immune.prescription import Prescription
from gateway.model.agent import Agent
from gateway.model.ask import Ask
from gateway.phases.policies import InForce, in_force, under_treatment
from gateway.phases.treatment import document_of
from gateway.policy.document import parse
from gateway.policy.question import Facts, Question
from gateway.policy.verdict import Verdict
from tests.support.policies import offer

AGENT = Agent("agt_1", True)


def treated(servers: tuple[str, ...] = (), documents: Any = (), **prescribed: Any) -> InForce:
    parsed = [parse(one, f"{one['name']}.yaml") for one in documents]
    return under_treatment(in_force(parsed, servers=servers), "agt_1", Prescription(("r",), **prescribed))


def judged(found: InForce, tool: str, agent: Agent = AGENT, server: str | None = None) -> Verdict:
    return found.engine.of(agent).judge_call(Question(tool, {}, server=server), Facts(agent, 0.0, {}))


def test_tools_that_were_taken_away_are_denied_however_they_are_written() -> None:
    found = treated(without_tools=frozenset({"delete_file", "!"}))
    for name in ("delete_file", "deleteFile", "Delete-File"):
        assert judged(found, name).rule == "immune/deny/0"
    assert judged(found, "delete_file").reason == "the tool delete_file is denied"
    assert judged(found, "read_file").allowed


def test_of_tools_on_servers_those_of_that_server_are_meant() -> None:
    found = treated(("files", "web"), without_tools=frozenset({"mcp__files__delete", "web/fetch"}))
    assert not judged(found, "delete", server="files").allowed
    assert not judged(found, "files.delete").allowed
    assert judged(found, "delete", server="web").allowed
    assert not judged(found, "fetch", server="web").allowed


def test_only_the_tools_that_are_left_are_allowed_as_far_as_they_were() -> None:
    ops = {"name": "ops", "allow": ["list_files"]}
    found = treated(documents=[ops], only_tools=frozenset({"read_file", "list_files"}))
    assert judged(found, "list_files").allowed
    assert judged(found, "read_file").rule == "ops/default"
    assert judged(treated(only_tools=frozenset({"read_file"})), "list_files").rule == "immune/only"


def test_tools_of_a_provider_are_known_by_their_kind() -> None:
    search = offer("web_search_2025_08_26", kind="web_search_2025_08_26")
    ask = Ask({}, "m", False, (search, offer("read_file")))
    for found in (
        treated(only_tools=frozenset({"web_search_2025_08_26"})),
        treated(without_tools=frozenset({"read_file"})),
    ):
        assert found.treatment is not None
        verdict = found.treatment.alone.of(AGENT).judge_request(ask, 1, Facts(AGENT, 0.0, {}))
        assert verdict.strip == ("read_file",)
    taken = treated(without_tools=frozenset({"web_search"}))
    assert taken.engine.of(AGENT).judge_request(ask, 1, Facts(AGENT, 0.0, {})).denied is not None


def test_what_is_planned_only_is_not_done() -> None:
    assert treated(plan_only=True).engine.of(AGENT).plans
    assert not treated(tool_calls=1).engine.of(AGENT).plans


def test_a_turn_may_have_so_many_calls() -> None:
    rules = treated(tool_calls=2).engine.of(AGENT)
    assert rules.most_calls == (2, "immune/tool_calls") and not rules.idle
    assert in_force().engine.of(AGENT).most_calls is None


@pytest.mark.parametrize("agent", [AGENT, Agent("agt_1", False, credential_id="c1")])
def test_each_agent_is_throttled_by_itself(agent: Agent) -> None:
    plan = treated(concurrent=1, requests_per_minute=20).plans.of(agent)
    assert {(one.bound.name, one.bound.most, one.subject) for one in plan} == {
        ("concurrent", 1, "immune:agent:agt_1"),
        ("requests_per_minute", 20, "immune:agent:agt_1"),
    }


def test_nobody_elses_document_is_taken_for_it() -> None:
    theirs = {"name": "immune", "tools": {"read_file": {"action": "delete:all"}}}
    found = treated(documents=[theirs], without_tools=frozenset({"read_file"}))
    assert judged(found, "read_file").rule == "immune+/deny/0"
    assert found.treatment is not None and found.treatment.name == "immune+"


def test_another_agent_is_not_bound_by_it() -> None:
    found = treated(without_tools=frozenset({"read_file"}), concurrent=1)
    other = Agent("agt_2", True)
    assert judged(found, "read_file", other).allowed
    assert found.plans.of(other) == ()
    assert document_of(Prescription(), "agt_1").clauses.only is None
