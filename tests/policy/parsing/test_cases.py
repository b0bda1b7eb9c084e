import re

import pytest

from gateway.policy.clauses import Case
from gateway.policy.errors import PolicyError
from gateway.policy.parsing.cases import read_cases
from gateway.policy.parsing.place import Place

HERE = Place("ops.yaml", "cases")


def test_a_case_is_a_call_and_what_must_become_of_it() -> None:
    said = [{"user": "Pay Bob"}, {"model": "I look him up."}, {"tool": "get_contacts", "text": "Bob: 1234"}]
    call = {"tool": "send_money", "server": "bank", "arguments": {"to": "1234"}, "said": said}
    assert read_cases(HERE, [{"call": call, "expect": "allow", "mode": "NORMAL"}]) == (Case(call, "allow", "NORMAL"),)
    assert read_cases(HERE, [{"call": {"action": "read:x", "resource": "a"}, "expect": "deny"}]) == (
        Case({"action": "read:x", "resource": "a"}, "deny"),
    )


@pytest.mark.parametrize(
    ("cases", "says"),
    [
        ({}, "cases: is {}; allowed: a list"),
        (["x"], "cases[0]: is 'x'; allowed: a mapping"),
        ([{"call": {"tool": "t"}}], "cases[0].expect: is missing; allowed: allow, deny, approval"),
        ([{"call": {"tool": "t"}, "expect": "denied"}], "cases[0].expect: is 'denied'"),
        ([{"expect": "deny"}], "cases[0].call: names neither `tool` nor `action`"),
        ([{"call": {"tool": 3}, "expect": "deny"}], "cases[0].call.tool: is 3"),
        ([{"call": {"tool": "t", "argument": {}}, "expect": "deny"}], "did you mean arguments?"),
        ([{"call": {"tool": "t", "arguments": {1: 2}}, "expect": "deny"}], "cases[0].call.arguments.1: is not a name"),
        ([{"call": {"tool": "t", "said": "hi"}, "expect": "deny"}], "cases[0].call.said: is 'hi'; allowed: a list"),
        (
            [{"call": {"tool": "t", "said": [{"tool": "x"}]}, "expect": "deny"}],
            "cases[0].call.said[0]: is {'tool': 'x'}",
        ),
        ([{"call": {"tool": "t", "said": [{"user": 3}]}, "expect": "deny"}], "cases[0].call.said[0].user: is 3"),
        ([{"call": {"tool": "t"}, "expect": "deny", "mode": 3}], "cases[0].mode: is 3"),
    ],
)
def test_a_case_that_could_not_be_run_is_refused(cases: object, says: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(says)):
        read_cases(HERE, cases)
