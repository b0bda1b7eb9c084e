from typing import Any

import pytest

from gateway.policy.clauses import Approval, OnDeny
from gateway.policy.names import Names
from gateway.policy.rules.entry import Entry
from gateway.policy.rules.untrusted import Untrusted
from tests.support.policies import document, judge, rules, tool


@pytest.mark.parametrize(
    ("approval", "arguments", "asks"),
    [
        (None, {}, False),
        (Approval("off"), {}, False),
        (Approval("always"), {}, True),
        (Approval("above", "amount", 5), {"amount": 5}, False),
        (Approval("above", "amount", 5), {"amount": 5.01}, True),
        (Approval("above", "amount", 5), {"amount": "1"}, True),
        (Approval("above", "amount", 5), {"amount": True}, True),
        (Approval("above", "amount", 5), {}, True),
        (Approval("above", "amount", 5), "text", True),
    ],
)
def test_approvals(approval: Approval | None, arguments: Any, asks: bool) -> None:
    on = rules(document(version=2, tools=[tool("pay", approval=approval, on_deny=OnDeny("hold", 9))], default="allow"))
    verdict = judge(on, "pay", arguments)
    assert verdict.allowed and verdict.approval == asks
    if asks:
        assert (verdict.rule, verdict.policy) == ("ops/tools/pay/approval", "ops@2")
        assert verdict.on_deny == OnDeny("hold", 9)


def test_untrusted_tools_are_known_by_name_and_server() -> None:
    entries = [tool("fetch *", untrusted=True), tool("read_page", server="web", untrusted=True), tool("pay")]
    untrusted = Untrusted(Entry(one, "ops", Names()) for one in entries)
    assert "fetch:page" in untrusted and "web/read:page" in untrusted and "web/fetch:page" in untrusted
    assert "read:page" not in untrusted and "pay" not in untrusted and len(untrusted) == 2
    assert list(untrusted) == ["fetch:*", "read:page"] and not Untrusted()
