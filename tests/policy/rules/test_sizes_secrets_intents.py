from gateway.policy.clauses import Sizes
from tests.support.policies import document, judge, tool


def test_arguments_have_a_size() -> None:
    on = document(sizes=Sizes(arguments_bytes=10))
    assert judge(on, "x", size=10).allowed
    assert judge(on, "x", size=11).rule == "ops/sizes/arguments_bytes"


def test_a_secret_in_arguments_is_denied_where_a_document_says_so() -> None:
    arguments = {"note": ["use ghp_" + "a1" * 18]}
    denied = judge(document(secrets="deny"), "send", arguments)
    assert denied.rule == "ops/secrets" and "GitHub token" in denied.reason and "ghp_" not in denied.reason
    assert judge(document(secrets="deny"), "send", {"note": "ghp_short"}).allowed
    assert judge(document(secrets="redact"), "send", arguments).allowed


def test_what_needs_an_intent_is_denied_while_none_can_be_shown() -> None:
    on = document(tools=[tool("deploy", intent="required"), tool("plan", intent="optional")])
    assert judge(on, "deploy").rule == "ops/tools/deploy/intent"
    assert judge(on, "plan").allowed
