"""Calls and what is said of them."""

import pytest

from gateway.model.tool_call import ToolCall
from gateway.phases.judged_call import Judged, question_of
from gateway.policy.clauses import OnDeny
from gateway.policy.verdict import Verdict

CALL = ToolCall("pay", "function", '{"to":"é"}', {"to": "é"}, namespace="bank")


def test_a_question_has_what_the_call_says() -> None:
    question = question_of(CALL)
    assert (question.tool, question.arguments, question.kind, question.server) == (
        "pay",
        {"to": "é"},
        "function",
        "bank",
    )
    assert question.size == len(CALL.arguments.encode())


@pytest.mark.parametrize(
    ("verdict", "stands", "asks"),
    [
        (Verdict(True, "r"), False, False),
        (Verdict(True, "r", approval=True), False, True),
        (Verdict(False, "r"), True, False),
        (Verdict(False, "r", on_deny=OnDeny("error")), True, False),
        (Verdict(False, "r", on_deny=OnDeny("hold", 5)), False, True),
    ],
)
def test_only_what_a_person_may_lift_asks_for_one(verdict: Verdict, stands: bool, asks: bool) -> None:
    judged = Judged(CALL, question_of(CALL), verdict)
    assert (judged.stands, judged.asks) == (stands, asks)


def test_a_call_over_its_count_is_refused_by_what_counts() -> None:
    judged = Judged(CALL, question_of(CALL), Verdict(True, "r", approval=True, on_deny=OnDeny("hold", 5)))
    over = judged.refused("ops/sum", "too much")
    assert over.sentence() == "The call to the tool pay was refused by rule ops/sum: too much"
    assert (over.verdict.allowed, over.verdict.approval) == (False, False)
