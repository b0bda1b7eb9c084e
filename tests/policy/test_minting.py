"""What documents say of intents: which steps may be declared, by whom, and what they do."""

from typing import Any

import pytest

from gateway.policy.clauses import Approval
from gateway.policy.document import Document
from gateway.policy.question import Question
from gateway.policy.verdict import Verdict
from tests.support.policies import document, facts, mode, rules, tool

OPS = document(
    "ops",
    allow=["read *"],
    deny=["drop *"],
    always_blocked=["format *"],
    modes=[mode("NORMAL"), mode("EMERGENCY", ["scale fleet"])],
    tools=[
        tool("restart_service", effect="write", arguments={"service": {"enum": ["web"]}}, intent="required"),
        tool("refund", approval=Approval("always")),
        tool("pay", approval=Approval("above", "amount", 5.0), arguments={"amount": {"type": "number"}}),
    ],
)


def step(name: str, arguments: Any = None, on: Document = OPS, modes: dict[str, str] | None = None) -> Verdict:
    question = Question(name, None) if arguments is None else Question.stated(name, arguments)
    return rules(on).judge_step(question, facts(modes))


@pytest.mark.parametrize("name", ["read_file", "restart_service"])
def test_a_step_without_arguments_may_be_declared_where_some_call_may_pass(name: str) -> None:
    assert step(name).allowed and not step(name).asks


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("drop_table", "ops/deny/0"),
        ("format_disk", "ops/always_blocked/0"),
        ("scale_fleet", "ops/modes/NORMAL"),
        ("launch", "ops/default"),
    ],
)
def test_one_that_no_call_can_pass_is_denied_with_the_rule(name: str, rule: str) -> None:
    found = step(name)
    assert (found.allowed, found.rule) == (False, rule) and found.reason


def test_the_mode_counts() -> None:
    assert step("scale_fleet", modes={"ops": "EMERGENCY"}).allowed


def test_exact_arguments_are_judged_as_the_call_would_be_but_for_the_intent_itself() -> None:
    assert step("restart_service", {"service": "web"}).allowed
    assert step("restart_service", {"service": "db"}).rule == "ops/tools/restart_service/service"
    plain = rules(OPS).judge_call(Question.stated("restart_service", {"service": "web"}), facts())
    assert plain.rule == "ops/tools/restart_service/intent"


def test_what_a_person_approves_each_time_waits_and_what_depends_on_an_amount_does_not_yet() -> None:
    assert step("refund").asks and step("refund").rule == "ops/tools/refund/approval"
    assert not step("pay").asks
    assert step("pay", {"amount": 9}).asks and not step("pay", {"amount": 3}).asks


def test_without_any_say_everything_may_be_declared() -> None:
    found = rules().judge_step(Question("anything", None), facts())
    assert found.allowed and found.policy is None


def test_a_document_in_shadow_denies_no_step() -> None:
    shadowed = document("ops", deny=["drop *"], shadow=True, mint="principal")
    found = rules(shadowed)
    assert found.judge_step(Question("drop_table", None), facts()).allowed and found.minting.principal is None


def test_who_wants_what_is_told_by_rule_and_policy() -> None:
    found = rules(document("a", mint="early"), document("b", mint="principal", version=3), document("c")).minting
    assert found.early == ("a/intents/mint", "a@1") and found.principal == ("b/intents/mint", "b@3")
    assert rules(document("a")).minting.early is None


@pytest.mark.parametrize(
    ("name", "effect"),
    [
        ("restart_service", "write"),
        ("get_status", "read"),
        ("listFiles", "read"),
        ("send_mail", "write"),
        ("x", "write"),
    ],
)
def test_what_a_tool_does_is_what_documents_say_else_what_its_name_says(name: str, effect: str) -> None:
    assert rules(OPS).effect_of(Question(name, None), facts()) == effect


def test_the_strongest_effect_counts() -> None:
    both = rules(
        document("a", tools=[tool("get_x", effect="destructive")]), document("b", tools=[tool("get_x", effect="read")])
    )
    assert both.effect_of(Question("get_x", None), facts()) == "destructive"


def test_another_text_of_the_policies_is_another_version() -> None:
    def version(**raw: Any) -> str:
        return rules(Document("a", raw=raw)).minting.version()

    assert version(deny=["x"]) == version(deny=["x"]) != version(deny=["y"]) and len(version()) == 32
