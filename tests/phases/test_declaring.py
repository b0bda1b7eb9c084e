"""Whether steps may be declared, with real policies and approvals."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.identity.arguments import ArgumentsHash
from gateway.intents.claims import Step
from gateway.model.agent import Agent
from gateway.model.errors import Refusal
from gateway.phases.decisions import Decisions
from gateway.phases.declaring import Declared, Declaring, Plan, shown
from gateway.policy.document import parse
from gateway.policy.engine import Engine
from gateway.store.approvals import PENDING_OF_AGENT, Approvals
from gateway.store.connection import Connection
from tests.phases.test_enforcing import Log

AGENT = Agent("agt_one", True, name="one")
OPS = {
    "name": "ops",
    "allow": ["read *", "get *"],
    "modes": {"NORMAL": {}},
    "tools": {"refund": {"approval": "always"}, "restart_service": {"effect": "write"}},
}
READ, RESTART, REFUND = Step("s1", "read_file"), Step("s2", "restart_service"), Step("s3", "refund")


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[Connection]:
    connection = Connection(redis_url, op_timeout=5)
    yield connection
    await connection.close()


class Readers:
    def __init__(self, read: bool = True) -> None:
        self.read = read
        self.asked: list[tuple[str, str | None]] = []

    async def any(self, agent_id: str, session: str | None) -> bool:
        self.asked.append((agent_id, session))
        return self.read


def declaring(
    log: Log, *documents: dict[str, Any], people: Approvals | None = None, readers: Readers | None = None, **more: Any
) -> Declaring:
    engine = Engine([parse(one, f"{one['name']}.yaml") for one in (OPS, *documents)])
    decisions = Decisions(log, args_hash=ArgumentsHash(b"secret"), clock=lambda: 1.8e9, **more)
    return Declaring(
        lambda agent: engine,
        decisions,
        modes=lambda agent: {},
        readers=readers or Readers(),
        people=people,
        clock=lambda: 1.8e9,
    )


def plan(*steps: Step, **more: Any) -> Plan:
    return Plan("tidy up", steps, 900, **more)


async def test_every_step_is_judged_and_recorded_even_when_one_is_denied() -> None:
    log = Log()
    found = await declaring(log).judge(AGENT, plan(READ, Step("s9", "launch"), RESTART), "int_1")
    assert not found.allowed and found.approval_id is None
    assert [one.allowed for one in found.decisions] == [True, False, True]
    assert [entry.context for entry in log.entries] == [
        {"intent": "int_1", "step": step} for step in ("s1", "s9", "s2")
    ]
    assert [entry.allowed for entry in log.entries] == [True, False, True]
    assert found.decisions[1].rule == "ops/default" and found.decisions[1].decision_id == "dec_chain_1"


async def test_what_is_allowed_says_under_which_policies_and_mode() -> None:
    found = await declaring(Log()).judge(AGENT, plan(READ), "int_1")
    assert found.allowed and found.mode == "NORMAL" and len(found.policy) == 32


async def test_a_person_approves_exactly_one_plan_once(connection: Connection) -> None:
    people, log = Approvals(connection, clock=lambda: 1.8e9), Log()
    desk = declaring(log, people=people)
    waiting = await desk.judge(AGENT, plan(READ, REFUND), "int_1")
    assert not waiting.allowed and waiting.approval_id is not None
    assert [(one.allowed, one.waits) for one in waiting.decisions] == [(True, False), (False, True)]
    assert log.entries[1].context["approval_id"] == waiting.approval_id
    assert (await desk.judge(AGENT, plan(READ, REFUND), "int_2")).approval_id == waiting.approval_id
    await people.decide([waiting.approval_id], "approved", by="adk_1")
    for other in (plan(REFUND), plan(READ, REFUND, principal="kim"), plan(READ, REFUND, execution="plan_only")):
        assert (await desk.judge(AGENT, other, "int_3")).approval_id not in (None, waiting.approval_id)
    found = await desk.judge(AGENT, plan(READ, REFUND), "int_4")
    assert found.allowed and "approved by adk_1" in found.decisions[1].reason
    assert not (await desk.judge(AGENT, plan(READ, REFUND), "int_5")).allowed


async def test_what_is_denied_anyway_is_asked_of_nobody(connection: Connection) -> None:
    people = Approvals(connection, clock=lambda: 1.8e9)
    found = await declaring(Log(), people=people).judge(AGENT, plan(REFUND, Step("s9", "launch")), "int_1")
    assert not found.allowed and found.approval_id is None and await people.count_pending() == 0
    assert not any(one.allowed for one in found.decisions)


async def test_a_rejected_plan_is_denied(connection: Connection) -> None:
    people = Approvals(connection, clock=lambda: 1.8e9)
    desk = declaring(Log(), people=people)
    waiting = await desk.judge(AGENT, plan(REFUND), "int_1")
    await people.decide([waiting.approval_id or ""], "rejected", by="adk_1", reason="no")
    found = await desk.judge(AGENT, plan(REFUND), "int_1")
    assert (found.allowed, found.approval_id) == (False, None)
    assert found.decisions[0].reason == "rejected by adk_1: no"


async def test_no_more_plans_wait_than_an_agent_may_have_waiting(connection: Connection) -> None:
    desk = declaring(Log(), people=Approvals(connection, clock=lambda: 1.8e9))
    for at in range(PENDING_OF_AGENT):
        assert (await desk.judge(AGENT, plan(REFUND, principal=f"p{at}"), "int_1")).approval_id
    found = await desk.judge(AGENT, plan(REFUND), "int_1")
    assert not found.allowed and found.approval_id is None and "wait already" in found.decisions[0].reason


async def test_where_nobody_can_be_asked_the_answer_is_no() -> None:
    found = await declaring(Log()).judge(AGENT, plan(REFUND), "int_1")
    assert not found.allowed and "nobody can be asked" in found.decisions[0].reason


EARLY = {"name": "early", "intents": {"mint": "early"}}
PERSON = {"name": "person", "intents": {"mint": "principal"}}


async def judged(connection: Connection, document: dict[str, Any], asked: Plan, read: bool = True) -> Declared:
    people = Approvals(connection, clock=lambda: 1.8e9)
    return await declaring(Log(), document, people=people, readers=Readers(read)).judge(AGENT, asked, "int_1")


async def test_an_agent_that_has_read_results_waits_for_a_person_before_it_may_write(connection: Connection) -> None:
    found = await judged(connection, EARLY, plan(READ, RESTART, session="monday"))
    assert found.approval_id is not None and [one.waits for one in found.decisions] == [False, True]
    assert found.decisions[1].rule == "early/intents/mint"


async def test_a_part_of_what_was_declared_before_is_no_new_warrant(connection: Connection) -> None:
    assert (await judged(connection, EARLY, plan(RESTART, is_part=True))).allowed


@pytest.mark.parametrize(
    ("steps", "read", "person"),
    [((READ,), True, None), ((READ, RESTART), False, None), ((READ, RESTART), True, "adk_1")],
)
async def test_reading_alone_reading_nothing_before_or_a_persons_key_needs_no_approval(
    connection: Connection, steps: tuple[Step, ...], read: bool, person: str | None
) -> None:
    assert (await judged(connection, EARLY, plan(*steps, person=person), read)).allowed


async def test_whether_anything_was_read_is_asked_of_the_session_the_agent_names(connection: Connection) -> None:
    readers = Readers(False)
    desk = declaring(Log(), EARLY, readers=readers)
    await desk.judge(AGENT, plan(RESTART, session="monday"), "int_1")
    await desk.judge(AGENT, plan(READ, session="monday"), "int_1")
    await desk.judge(AGENT, plan(RESTART), "int_1")
    assert readers.asked == [("agt_one", "monday"), ("agt_one", None)]


async def test_only_a_person_declares_where_policy_says_so(connection: Connection) -> None:
    found = await judged(connection, PERSON, plan(READ, principal="kim"))
    assert not found.allowed and found.approval_id is None and found.decisions[0].rule == "person/intents/mint"
    assert (await judged(connection, PERSON, plan(READ, person="adk_1"))).allowed


async def test_what_cannot_be_recorded_is_not_declared() -> None:
    log = Log()
    log.broken = True
    with pytest.raises(Refusal) as refused:
        await declaring(log).judge(AGENT, plan(READ), "int_1")
    assert refused.value.code == "audit_unavailable"


async def test_a_strict_record_is_safe_before_anything_is_said() -> None:
    log = Log()
    await declaring(log, strict=True).judge(AGENT, plan(READ, RESTART), "int_1")
    assert log.safe == ["chain/0", "chain/1"]


def test_a_person_sees_the_whole_plan() -> None:
    step = Step("s1", "pay", "bank", {"amount": 5}, None, 2, ("s0",))
    assert shown(plan(step, principal="kim")) == {
        "goal": "tidy up",
        "steps": [
            {"id": "s1", "tool": "pay", "server": "bank", "arguments": {"amount": 5}, "max_uses": 2, "after": ["s0"]}
        ],
        "seconds": 900,
        "execution": "execute_safe",
        "principal": "kim",
    }
