"""Decisions about what an agent asks of itself, with real policies and approvals."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import yaml

from gateway.identity.arguments import ArgumentsHash
from gateway.model.agent import Agent
from gateway.model.audit import AuditEntry, decision_id
from gateway.model.errors import Refusal
from gateway.phases.approving import Approving
from gateway.phases.decisions import Decisions
from gateway.phases.enforcing import Answer, Enforcing
from gateway.policy.document import parse
from gateway.policy.engine import Engine
from gateway.policy.question import Question
from gateway.policy.recorded import RecordedCall
from gateway.policy.verdict import Count, Verdict
from gateway.spool.errors import AuditUnavailable
from gateway.store.approval_record import Pending
from gateway.store.approvals import Approvals
from gateway.store.connection import Connection

AGENT = Agent("agt_one", True, name="one")
OPS = """
name: ops
allow: ["read *"]
deny: [{action: "read:file", resource: "/etc/*"}]
modes:
  NORMAL: {}
  EMERGENCY: {allow: ["restart:service"]}
"""


class Log:
    """Keeps entries in memory."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.safe: list[str] = []
        self.broken = False

    def append(self, entry: AuditEntry) -> str:
        if self.broken:
            raise AuditUnavailable("the disk is full")
        self.entries.append(entry)
        return f"chain/{len(self.entries) - 1}"

    async def durable(self, entry_id: str) -> None:
        self.safe.append(entry_id)


class Says(Engine):
    """Gives one verdict, for what the documents of these tests do not lead to."""

    def __init__(self, verdict: Verdict, *, needs_memory: bool = False) -> None:
        super().__init__()
        self.verdict = verdict
        self.needs_memory = needs_memory
        self.idle, self.plans = True, False
        self.memory_keys: tuple[Count, ...] = ()

    def of(self, agent: Agent) -> Any:
        return self

    def judge_call(self, question: Question, facts: Any) -> Verdict:
        return self.verdict


class Memories:
    """One amount a day, in memory."""

    def __init__(self) -> None:
        self.spent = 0.0

    async def load(self, agent_id: str, conversation: str, keys: Sequence[Count], *, session: str | None = None) -> Any:
        return self

    async def count(self, agent_id: str, conversation: str, counts: Sequence[Count]) -> Count | None:
        for count in counts:
            if count.limit is not None and self.spent + count.amount > count.limit:
                return count
            self.spent += count.amount
        return None


async def nothing_against(agent: Agent) -> None:
    return None


def recorded_in(log: Log, **parts: Any) -> Decisions:
    return Decisions(log, args_hash=ArgumentsHash(b"secret"), clock=lambda: 1.8e9, **parts)


def enforcing(log: Log, engine: Engine | None = None, *, decisions: Decisions | None = None, **parts: Any) -> Enforcing:
    using = engine or Engine([parse(yaml.safe_load(OPS), "ops.yaml")])
    defaults: dict[str, Any] = {"lifecycle": nothing_against, "modes": lambda agent: {}, "clock": lambda: 1.8e9}
    return Enforcing(lambda agent: using, decisions or recorded_in(log), **(defaults | parts))


async def asked(asking: Enforcing, action: str, resource: str = "", **more: Any) -> Answer:
    question = Question(more.pop("tool", ""), more.pop("arguments", {}), action=action, resource=resource)
    return await asking.decide(AGENT, question, **more)


async def test_a_denial_and_a_permission_say_why_and_are_recorded() -> None:
    log = Log()
    decisions = recorded_in(log)
    asking = enforcing(log, decisions=decisions)
    denied = await asked(asking, "readFile", "/etc/shadow", context={"ticket": "OPS-7"})
    allowed = await asked(asking, "read file", "/srv/a")
    assert decisions.calls == {"allow": 1, "deny": 1, "plan": 0, "shadow": 0}
    assert (denied.allowed, denied.rule, denied.mode, denied.decision_id) == (
        False,
        "ops/deny/0",
        "NORMAL",
        "dec_chain_0",
    )
    assert (allowed.allowed, allowed.rule, allowed.decision_id) == (True, "ops/allow/0", "dec_chain_1")
    assert denied.reason and "/etc/shadow" not in denied.reason
    entry = log.entries[0]
    assert (entry.kind, entry.source, entry.agent_id) == ("decision", "gateway", "agt_one")
    assert (entry.action, entry.resource, entry.allowed) == ("read:file", "/etc/shadow", False)
    assert (entry.rule, entry.mode, entry.policy, entry.context) == (
        "ops/deny/0",
        "NORMAL",
        "ops@1",
        {"ticket": "OPS-7"},
    )
    assert entry.args_hash is not None


async def test_where_no_policy_has_a_say_it_is_allowed() -> None:
    answer = await asked(enforcing(Log(), Engine()), "restart:service")
    assert (answer.allowed, answer.rule, answer.mode) == (True, "none", None)


async def test_the_mode_is_read_at_each_decision() -> None:
    now = dict[str, str]()
    asking = enforcing(Log(), modes=lambda agent: now)
    for mode, allowed in (("NORMAL", False), ("EMERGENCY", True), ("NORMAL", False)):
        now["ops"] = mode
        answer = await asked(asking, "restart:service", "web")
        assert (answer.allowed, answer.mode) == (allowed, mode)


async def test_a_blocked_agent_is_told_so_and_that_is_recorded() -> None:
    async def quarantined(agent: Agent) -> None:
        raise Refusal("agent_quarantined", "Agent agt_one is quarantined: loops (incident inc_1).")

    log = Log()
    answer = await asked(enforcing(log, lifecycle=quarantined), "read:file", "/srv/a")
    assert (answer.allowed, answer.rule) == (False, "lifecycle")
    assert "inc_1" in answer.reason
    assert [(entry.allowed, entry.rule) for entry in log.entries] == [(False, "lifecycle")]


async def test_where_the_state_cannot_be_told_there_is_no_answer() -> None:
    async def unsure(agent: Agent) -> None:
        raise Refusal("state_unavailable", "Nothing is allowed.", retry_after=1)

    with pytest.raises(Refusal):
        await asked(enforcing(Log(), lifecycle=unsure), "read:file")


async def test_what_cannot_be_recorded_is_not_allowed() -> None:
    log = Log()
    log.broken = True
    with pytest.raises(Refusal, match="cannot record"):
        await asked(enforcing(log), "read:file", "/srv/a")


async def test_a_strict_record_is_safe_before_the_answer() -> None:
    log = Log()
    answer = await asked(enforcing(log, decisions=recorded_in(log, strict=True)), "read:file", "/srv/a")
    assert [decision_id(entry) for entry in log.safe] == [answer.decision_id]


async def test_secrets_do_not_reach_the_record() -> None:
    log = Log()
    decisions = recorded_in(log, redact=lambda text: text.replace("hunter2", "***"))
    await asked(enforcing(log, decisions=decisions), "read:file", "/x/hunter2")
    assert log.entries[0].resource == "/x/***"


async def test_what_shadow_documents_would_have_denied_is_recorded() -> None:
    log = Log()
    decisions = recorded_in(log)
    engine = Engine([parse(yaml.safe_load(OPS), "ops.yaml")], shadow=True)
    answer = await asked(enforcing(log, engine, decisions=decisions), "read:file", "/etc/shadow")
    assert answer.allowed and (decisions.calls["shadow"], decisions.calls["allow"]) == (1, 0)
    assert [one["rule"] for one in log.entries[0].metadata["shadow"]] == ["ops/deny/0"]


async def test_what_is_only_planned_is_not_executed() -> None:
    planning = OPS + "execution: plan_only\n"
    for text, wish, allowed in ((OPS, False, True), (OPS, True, False), (planning, False, False)):
        engine = Engine([parse(yaml.safe_load(text), "ops.yaml")])
        answer = await asked(enforcing(Log(), engine), "read:file", "/srv/a", planned=wish)
        assert answer.allowed is allowed
        assert allowed or answer.rule == "execution"


async def test_what_was_judged_can_be_kept_for_other_policies_to_be_tried_on() -> None:
    kept: list[RecordedCall] = []
    keeping = recorded_in(Log(), note=kept.append)
    await asked(enforcing(Log(), decisions=keeping), "read:file", "/srv/a", conversation="c1")
    assert [(one.question.action, one.conversation, one.agent) for one in kept] == [("read:file", "c1", AGENT)]


async def test_what_there_is_no_room_for_is_denied() -> None:
    count = Count("sum", 3.0, 5.0, "day", "pay/tools/send_money/amount", "more than 5 a day")
    engine = Says(Verdict(True, "pay/tools/send_money", counts=(count,)), needs_memory=True)
    asking = enforcing(Log(), engine, memories=Memories())
    assert (await asked(asking, "send:money")).allowed
    full = await asked(asking, "send:money")
    assert (full.allowed, full.rule, full.reason) == (False, "pay/tools/send_money/amount", "more than 5 a day")


# A person has to say


@pytest.fixture
async def approvals(redis_url: str) -> AsyncIterator[Approvals]:
    connection = Connection(redis_url, op_timeout=5)
    yield Approvals(connection, clock=lambda: 1.8e9)
    await connection.close()


NEEDED = Says(Verdict(True, "ops/tools/refund/approval", "over 5", "refund:order", approval=True))


async def test_an_approval_counts_for_the_same_arguments_and_once(approvals: Approvals) -> None:
    log = Log()
    asking = enforcing(log, NEEDED, approving=Approving(approvals))
    waiting = await asked(asking, "refund:order", "7", arguments={"amount": 9})
    assert (waiting.allowed, waiting.rule) == (False, "approval")
    assert waiting.approval_id is not None
    again = await asked(asking, "refund:order", "7", arguments={"amount": 9})
    assert again.approval_id == waiting.approval_id, "asking again asks nobody anew"
    await approvals.decide([waiting.approval_id], "approved", by="adk_1")
    other = await asked(asking, "refund:order", "7", arguments={"amount": 90})
    assert not other.allowed and other.approval_id != waiting.approval_id
    used = await asked(asking, "refund:order", "7", arguments={"amount": 9})
    assert used.allowed and waiting.approval_id in used.reason
    assert not (await asked(asking, "refund:order", "7", arguments={"amount": 9})).allowed, "used up"
    assert [entry.allowed for entry in log.entries] == [False, False, False, True, False]


async def test_an_approval_counts_for_the_same_resource(approvals: Approvals) -> None:
    asking = enforcing(Log(), NEEDED, approving=Approving(approvals))
    waiting = await asked(asking, "refund:order", "order-7")
    assert waiting.approval_id is not None
    approval = await approvals.get(waiting.approval_id)
    assert approval is not None and approval.arguments["resource"] == "order-7", "the approver sees what it is about"
    await approvals.decide([waiting.approval_id], "approved", by="adk_1")
    assert not (await asked(asking, "refund:order", "order-8")).allowed
    assert not (await asked(asking, "refund:order", "order-7", tool="refund")).allowed
    assert (await asked(asking, "refund:order", "order-7")).allowed


async def test_an_approval_counts_for_the_same_action(approvals: Approvals) -> None:
    asking = enforcing(Log(), NEEDED, approving=Approving(approvals))
    waiting = await asked(asking, "refund:order", tool="look")
    assert waiting.approval_id is not None
    approval = await approvals.get(waiting.approval_id)
    assert approval is not None and approval.arguments["action"] == "refund:order", "the approver sees what it is about"
    await approvals.decide([waiting.approval_id], "approved", by="adk_1")
    assert not (await asked(asking, "wipe:disk", tool="look")).allowed
    assert (await asked(asking, "refund:order", tool="look")).allowed


async def test_an_approval_for_a_models_call_counts_for_a_question_about_it(approvals: Approvals) -> None:
    arguments = {"amount": 9}
    hashed = ArgumentsHash(b"secret")("refund", arguments, None)
    made = await approvals.ask(Pending("tool_call", "agt_one", "refund", arguments, "ops/refund", args_hash=hashed))
    await approvals.decide([made.approval_id], "approved", by="adk_1")
    asking = enforcing(Log(), NEEDED, approving=Approving(approvals))
    assert (await asked(asking, "refund", tool="refund", arguments=arguments)).allowed


async def test_a_rejection_is_said(approvals: Approvals) -> None:
    asking = enforcing(Log(), NEEDED, approving=Approving(approvals))
    waiting = await asked(asking, "refund:order")
    assert waiting.approval_id is not None
    await approvals.decide([waiting.approval_id], "rejected", by="adk_1", reason="not this one")
    answer = await asked(asking, "refund:order")
    assert (answer.allowed, answer.rule) == (False, "approval")
    assert "not this one" in answer.reason


async def test_when_too_many_wait_nobody_is_asked(approvals: Approvals) -> None:
    asking = enforcing(Log(), NEEDED, approving=Approving(approvals))
    for number in range(10):
        await asked(asking, "refund:order", arguments={"n": number})
    full = await asked(asking, "refund:order", arguments={"n": 10})
    assert (full.allowed, full.rule, full.approval_id) == (False, "approval", None)
    assert "10 approvals" in full.reason


async def test_where_nobody_can_be_asked_it_is_denied() -> None:
    answer = await asked(enforcing(Log(), NEEDED), "refund:order")
    assert (answer.allowed, answer.rule, answer.approval_id) == (False, "approval", None)


async def test_an_approval_is_not_used_up_where_there_is_no_room(approvals: Approvals) -> None:
    count = Count("sum", 6.0, 5.0, "day", "pay/tools/send_money/amount", "more than 5 a day")
    engine = Says(replace(NEEDED.verdict, counts=(count,)))
    asking = enforcing(Log(), engine, memories=Memories(), approving=Approving(approvals))
    waiting = await asked(asking, "send:money")
    assert waiting.approval_id is not None
    await approvals.decide([waiting.approval_id], "approved", by="adk_1")
    full = await asked(asking, "send:money")
    assert (full.allowed, full.rule) == (False, "pay/tools/send_money/amount")
    kept = await approvals.get(waiting.approval_id)
    assert kept is not None and kept.used_at is None
