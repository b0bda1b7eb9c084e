"""What is recorded of a decision."""

from typing import Any

import pytest

from gateway.identity.arguments import ArgumentsHash
from gateway.model.agent import Agent
from gateway.model.errors import Refusal
from gateway.model.exchange import Exchange, Request
from gateway.model.route import Route
from gateway.model.tool_call import ToolCall
from gateway.phases.decisions import Decisions
from gateway.phases.judged_call import Judged, question_of
from gateway.policy.question import Facts
from gateway.policy.verdict import Verdict
from tests.support.judging import Entries

FACTS = Facts(Agent("agt_1"), 1.8e9, {})
CALL = ToolCall("pay", "function", "{}", {})


class Task:
    def cancel(self) -> bool:
        return False

    def uncancel(self) -> int:
        return 0


def exchange() -> Exchange:
    request = Request("POST", "/v1/chat/completions", b"", [], {}, "")
    return Exchange("req_1", request, Route("chat_completions", "/chat/completions"), Task(), 0.0)


def recording(**options: Any) -> tuple[Decisions, Entries]:
    entries = Entries()
    return Decisions(entries, args_hash=ArgumentsHash(b"s"), clock=lambda: 1.8e9, **options), entries


@pytest.mark.parametrize(
    ("verdict", "recorded"),
    [
        (Verdict(True, ""), False),
        (Verdict(True, "ops/allow/0", policy="ops@1"), True),
        (Verdict(True, "", shadowed=(("ops/deny/0", "no"),)), True),
        (Verdict(False, "ops/deny/0"), True),
    ],
)
def test_only_what_a_rule_had_a_say_in_is_recorded(verdict: Verdict, recorded: bool) -> None:
    decisions, entries = recording()
    entry = decisions.record(exchange(), FACTS, Judged(CALL, question_of(CALL), verdict), withheld=False)
    assert (entry == "chain/0") is recorded
    assert len(entries.all) == recorded
    assert sum(decisions.calls.values()) == 1


def test_names_that_models_choose_are_cut_and_cleaned() -> None:
    decisions, entries = recording(redact=lambda text: text.replace("sk-1", "[redacted]"))
    call = ToolCall("sk-1" + "x" * 1000, "function", "{}", {})
    decisions.record(exchange(), FACTS, Judged(call, question_of(call), Verdict(False, "r", "no")), withheld=True)
    tool = entries.all[0].tool
    assert tool is not None and tool.startswith("[redacted]xx") and len(tool) == 300


async def test_what_cannot_be_made_safe_is_refused() -> None:
    decisions, entries = recording()
    entries.broken.add("durable")
    with pytest.raises(Refusal) as refused:
        await decisions.durable(["chain/0"])
    assert refused.value.code == "audit_unavailable"
