"""What recorded calls would have met under another policy."""

from typing import Any

import pytest

from gateway.model.agent import Agent
from gateway.policy.actions import read_pattern
from gateway.policy.clauses import Approval, Clauses, Mode, OnDeny, Tool
from gateway.policy.document import Document, Match
from gateway.policy.question import Question
from gateway.policy.recorded import RecordedCall
from gateway.policy.replay import Difference, Replay

AGENT = Agent("agt_1")


def document(name: str = "ops", **clauses: Any) -> Document:
    return Document(name, Match(), (), "a test", Clauses(**clauses))


def patterns(*texts: str) -> Any:
    return tuple(read_pattern(text) for text in texts)


def tool(name: str, **more: Any) -> Tool:
    return Tool(name, read_pattern(name), **more)


def call(name: str, at: float = 1.0, **more: Any) -> RecordedCall:
    arguments = more.pop("arguments", {})
    return RecordedCall(Question(name, arguments), more.pop("agent", AGENT), at, **more)


def differences(before: Document, after: Document, *calls: RecordedCall, **options: Any) -> list[Difference]:
    replay = Replay([before], [after], **options)
    return [found for one in calls if (found := replay.judge(one)) is not None]


def test_exactly_what_would_change_is_found() -> None:
    before, after = document(deny=patterns("delete *")), document(deny=patterns("delete *", "restart *"))
    calls = [call(name) for name in ("delete_disk", "restart_web", "read_file", "restart_db")]
    found = differences(before, after, *calls)
    assert [one.record for one in found] == [calls[1], calls[3]]
    assert (found[0].before.said, found[0].after.said, found[0].after.rule) == ("allow", "deny", "ops/deny/1")
    assert found[0].undecided is None
    assert [one.after.said for one in differences(after, before, *calls)] == ["allow", "allow"]
    assert differences(before, before, *calls) == []


def test_a_document_for_others_changes_nothing() -> None:
    after = Document("ops", Match(agents=("agt_2",)), (), "a test", Clauses(deny=patterns("*")))
    found = differences(document(), after, call("read"), call("read", agent=Agent("agt_2")))
    assert [one.record.agent.agent_id for one in found] == ["agt_2"]


@pytest.mark.parametrize(("modes", "said"), [({}, "deny"), ({"ops": "B"}, "allow"), ({"*": "B"}, "allow")])
def test_calls_are_judged_in_the_mode_of_their_time(modes: dict[str, str], said: str) -> None:
    after = document(modes=(Mode("A"), Mode("B", allow=patterns("restart *"))))
    found = differences(document(default="deny"), after, call("restart_web", modes=modes))
    assert [one.after.said for one in found] == ([] if said == "deny" else ["allow"])


def test_an_approval_is_another_outcome_than_an_allowed_call() -> None:
    asks = tool("restart", approval=Approval("always"))
    held = tool("restart", arguments={}, on_deny=OnDeny("hold", 60.0))
    for after in (asks, held):
        found = differences(document(), document(tools=(after,)), call("restart", arguments={"x": 1}))
        assert [(one.before.said, one.after.said) for one in found] == [("allow", "approval")]


def test_what_a_shadow_would_deny_is_told_as_that() -> None:
    found = differences(document(), document(shadow=True, deny=patterns("restart *")), call("restart_web"))
    assert [(one.after.said, one.after.shadow) for one in found] == [("allow", ("ops/deny/0",))]


def test_a_constraint_on_where_a_value_comes_from_is_undecided_where_it_is_another_one() -> None:
    governed = tool("send", arguments={"to": {"provenance": ["user"]}, "amount": {"maximum": 5}})
    nested = tool("send", arguments={"to": {"items": {"properties": {"x": {"from_step": {"tool": "a", "path": "$"}}}}}})
    asked = call("send", arguments={"to": "x", "amount": 3})
    for one in (governed, nested):
        found = differences(
            document(default="allow"),
            document(default="allow", tools=(one,)),
            call("send", arguments={"to": []}),
            call("read"),
        )
        assert [d.undecided for d in found] == ["it depends on the conversation, or on a secret, which are not kept"]
    assert differences(document(tools=(governed,)), document(tools=(governed,)), asked) == []
    both = document(tools=(governed,), deny=patterns("send"))
    assert differences(document(deny=patterns("send")), both, asked) == []


def test_arguments_that_were_not_kept_are_no_empty_ones() -> None:
    limited = document(tools=(tool("send", arguments={"amount": {"type": "number", "maximum": 5}}),))
    cut = call("send", cut=True, arguments=None)
    assert differences(limited, limited, cut) == []
    found = differences(document(), limited, cut)
    assert [one.undecided for one in found] == ["its arguments were too large to be kept"]
    denied = document(tools=limited.clauses.tools, deny=patterns("send"))
    assert [(one.after.said, one.undecided) for one in differences(limited, denied, cut)] == [("deny", None)]


def test_a_covered_secret_is_undecided_where_secrets_would_be_denied() -> None:
    found = differences(document(), document(secrets="deny"), call("send", covered=True), call("send"))
    assert len(found) == 1 and found[0].undecided is not None
