"""Calls held to an intent, and grants, as the engine decides."""

from collections.abc import Mapping
from typing import Any

from gateway.model.agent import Agent
from gateway.policy.document import parse
from gateway.policy.engine import Engine
from gateway.policy.question import Facts, Question
from gateway.policy.verdict import Grant


class OneStep:
    """Step `s1`: `add`, with constraints."""

    root = "int_1"
    tools = ("add", "getStatus")

    def __init__(self, constraints: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._constraints = constraints
        self.asked: list[tuple[str, str | None]] = []

    def fit(self, tool: str, server: str | None, arguments: Any, holds: Any) -> tuple[str | None, str]:
        self.asked.append((tool, server))
        if tool not in self.tools:
            return None, "tool_not_in_intent: no"
        if self._constraints is not None and not holds("s1", self._constraints, arguments):
            return None, "arguments_mismatch: no"
        return "s1", ""


class Spent:
    """A memory of amounts."""

    def last(self, key: str) -> float | None:
        return None

    def spent(self, key: str) -> float:
        return 4.0

    def tainted(self, value: str) -> bool:
        return False


def judged(
    question: Question,
    intent: OneStep | None,
    *documents: dict[str, Any],
    shadow: bool = False,
    declaring: bool = False,
    servers: tuple[str, ...] = (),
) -> Any:
    engine = Engine([parse(one, "test") for one in documents], shadow=shadow, servers=servers)
    agent = Agent("agt_1", True)
    facts = Facts(agent, 0.0, {}, intent=intent, memory=Spent(), declaring=declaring)
    return engine.of(agent).judge_call(question, facts)


def test_without_documents_the_intent_alone_decides() -> None:
    assert judged(Question("add", {}), OneStep()).step == "s1"
    denied = judged(Question("stop", {}), OneStep())
    assert (denied.allowed, denied.rule, denied.reason) == (False, "intent", "tool_not_in_intent: no")


def test_an_intent_lifts_no_denial() -> None:
    denied = judged(Question("add", {}), OneStep(), {"name": "no", "deny": ["add"]})
    assert (denied.allowed, denied.rule) == (False, "no/deny/0")


def test_a_document_can_leave_a_tool_out_of_it() -> None:
    verdict = judged(Question("stop", {}), OneStep(), {"name": "p", "tools": {"stop": {"intent": "off"}}})
    assert (verdict.allowed, verdict.step) == (True, None)


def test_what_needs_an_intent_needs_one_unless_it_is_being_declared() -> None:
    document = {"name": "p", "tools": {"add": {"intent": "required"}}}
    denied = judged(Question("add", {}), None, document)
    assert (denied.rule, denied.reason.partition(":")[0]) == ("p/tools/add/intent", "intent_required")
    assert judged(Question("add", {}), OneStep(), document).allowed
    assert judged(Question("add", {}), None, document, declaring=True).allowed


def test_in_shadow_what_does_not_fit_is_told_only() -> None:
    verdict = judged(Question("stop", {}), OneStep(), shadow=True)
    assert (verdict.allowed, verdict.step) == (True, None)
    assert verdict.shadowed == (("intent", "tool_not_in_intent: no"),)


def test_constraints_are_the_policies_and_amounts_are_counted() -> None:
    limited = OneStep({"a": {"sum_max": {"value": 10, "per": "day"}}})
    verdict = judged(Question("add", {"a": 6}), limited)
    assert [(count.amount, count.limit) for count in verdict.counts] == [(6.0, 10.0)]
    assert not judged(Question("add", {"a": 7}), limited).allowed


def test_prefixes_of_clients_are_taken_off_and_the_server_is_known() -> None:
    intent = OneStep()
    judged(Question("mcp__cloud__add", {}), intent, servers=("cloud",))
    judged(Question("add", {}, server="mcp__cloud"), intent, servers=("cloud",))
    assert intent.asked == [("add", "cloud"), ("add", "cloud")]


def test_an_action_alone_is_held_to_the_tool_of_that_name() -> None:
    intent = OneStep()
    assert judged(Question("", {}, action="get status"), intent).step == "s1"
    assert not judged(Question("", {}, action="stop it"), intent).allowed
    assert judged(Question("add", {}, action="run sums"), intent).step == "s1"


def test_a_resource_that_constraints_do_not_look_at_is_none_of_the_step() -> None:
    intent = OneStep({"path": {"path_in": ["/tmp/**"]}})
    for arguments in ({}, {"path": "/tmp/a"}):
        asked = Question("", arguments, action="add", resource="/etc/passwd")
        assert judged(asked, intent).reason.startswith("arguments_mismatch")
    assert judged(Question("", {"path": "/tmp/a"}, action="add", resource="/tmp/a"), intent).step == "s1"
    assert judged(Question("", {"path": "/tmp/a"}, action="add", resource=""), intent).step == "s1"


def test_a_document_that_lets_a_tool_off_does_not_undo_one_that_needs_an_intent_for_it() -> None:
    needs = {"name": "org", "default": "allow", "tools": {"stop": {"intent": "required"}}}
    off = {"name": "team", "default": "allow", "tools": {"stop": {"intent": "off"}}}
    assert judged(Question("stop", {}), OneStep(), off).allowed
    for documents in ((needs, off), (off, needs)):
        assert judged(Question("stop", {}), OneStep(), *documents).reason.startswith("tool_not_in_intent")
        assert judged(Question("stop", {}), None, *documents).reason.startswith("intent_required")


def test_an_intent_for_a_tool_is_none_for_an_action_that_needs_one() -> None:
    rules = {"name": "ops", "default": "allow", "tools": {"delete_db": {"intent": "required"}}}
    beside = judged(Question("add", {}, action="delete db"), OneStep(), rules)
    assert (beside.allowed, beside.rule) == (False, "ops/tools/delete_db/intent")
    assert judged(Question("add", {}, action="add"), OneStep(), rules).step == "s1"


def test_grants_are_needed_or_looked_for_as_documents_say() -> None:
    needed = {"name": "n", "tools": {"add": {"grant": "required"}}}
    wanted = {"name": "w", "tools": {"add": {"grant": "optional"}}}
    assert judged(Question("add", {}), None, wanted, needed).grant == Grant("n/tools/add/grant", True)
    assert judged(Question("add", {}), None, wanted).grant == Grant("w/tools/add/grant", False)
    assert judged(Question("add", {}), None, {"name": "o", "tools": {"add": {"grant": "off"}}}).grant is None
