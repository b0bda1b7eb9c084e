"""A list of what may be done at all: it denies the rest, and allows nothing by itself."""

from typing import Any

from gateway.policy.document import Document
from gateway.policy.question import Question
from tests.support.policies import document, facts, judge, patterns, rules


def only(*written: Any, **clauses: Any) -> Document:
    return document("immune", only=patterns(*written), **clauses)


def test_what_is_not_in_the_list_is_denied_and_says_so() -> None:
    denied = judge(only("read_file", "list:*"), "delete_file")
    assert (denied.allowed, denied.rule) == (False, "immune/only")
    assert denied.reason == "delete:file is not among what the agent may do at the moment"
    for name in ("read_file", "readFile", "list_all"):
        assert judge(only("read_file", "list:*"), name).allowed


def test_what_is_in_the_list_needs_leave_from_others_as_before() -> None:
    both = rules(document("ops", allow=["list_files"]), only("read_file"))
    assert judge(both, "read_file").rule == "ops/default"
    assert judge(both, "list_files").rule == "immune/only"


def test_letters_that_look_like_those_of_the_list_do_not_pass() -> None:
    assert judge(only("read_file"), "r\u0435ad_file").rule == "immune/only"


def test_an_empty_list_denies_everything() -> None:
    assert not judge(only(), "read_file").allowed
    assert not rules(only()).idle
    assert rules(document("ops")).idle


def test_no_call_is_possible_of_what_is_not_in_the_list() -> None:
    held = rules(only("read_file", strip_tools=True))
    assert held.may_call(Question("read_file", None), facts())
    assert not held.may_call(Question("delete_file", None), facts())
    assert not held.judge_step(Question("delete_file", None), facts()).allowed
