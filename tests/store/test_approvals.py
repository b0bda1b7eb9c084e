"""Approvals on a real Redis: two replicas in one loop, operators and agents at the same time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from gateway.store.approvals import OF_GATEWAY, PENDING, PENDING_OF_AGENT, Approvals, Pending, TooManyPending
from gateway.store.connection import Connection
from tests.support.redis_sets import ClusterSet


def call(number: int = 0, agent: str = "agt_1", **members: Any) -> Pending:
    given: dict[str, Any] = {
        "arguments": {"service": f"web-{number}"},
        "rule": "ops/tools/restart_service/approval",
        "reason": "restarts need a person",
        "conversation": "restart please",
        "request_id": "req_1",
        "args_hash": f"h{number}",
        **members,
    }
    return Pending("tool_call", agent, "restart_service", **given)


class Replica(Approvals):
    """With what it told the events."""

    def __init__(self, connection: Connection) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        super().__init__(
            connection,
            clock=time.time,
            notify=lambda kind, data: self.told.append((kind, data)),
            cover=lambda text: text.replace("s3cret", "[covered]"),
        )


@asynccontextmanager
async def replica(url: str) -> AsyncIterator[Replica]:
    connection = Connection(url, op_timeout=5)
    one = Replica(connection)
    running = asyncio.create_task(one.run())
    try:
        yield one
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await connection.close()


@pytest.fixture
async def approvals(redis_url: str) -> AsyncIterator[Replica]:
    async with replica(redis_url) as one:
        yield one


@pytest.fixture
async def other(redis_url: str) -> AsyncIterator[Replica]:
    async with replica(redis_url) as one:
        yield one


async def test_who_approves_sees_all_there_is_to_see(approvals: Replica) -> None:
    asked = await approvals.ask(call())
    assert asked.approval_id.startswith("apr_") and asked.status == "pending"
    assert (asked.kind, asked.agent_id, asked.tool) == ("tool_call", "agt_1", "restart_service")
    assert (asked.arguments, asked.truncated) == ({"service": "web-0"}, False)
    assert (asked.rule, asked.reason) == ("ops/tools/restart_service/approval", "restarts need a person")
    assert (asked.conversation, asked.request_id, asked.args_hash) == ("restart please", "req_1", "h0")
    assert abs(asked.created_at - time.time()) < 5 and asked.expires_at - asked.created_at == 3600
    assert (asked.decided_by, asked.used_at, asked.deviation) == (None, None, None)
    assert await approvals.get(asked.approval_id) == asked and await approvals.get("apr_none") is None
    assert [kind for kind, _ in approvals.told] == ["approval.requested"]
    assert "arguments" not in approvals.told[0][1] and approvals.told[0][1]["approval_id"] == asked.approval_id


async def test_secrets_are_covered_and_long_arguments_shortened(approvals: Replica) -> None:
    covered = await approvals.ask(call(1, arguments={"s3cret": ["s3cret", {"a": 1}], "n": 5}))
    assert covered.arguments == {"[covered]": ["[covered]", {"a": 1}], "n": 5}
    long = await approvals.ask(call(2, arguments={"text": "é" * 20_000}))
    assert long.truncated and isinstance(long.arguments, str) and long.arguments.startswith('{"text":"éé')
    assert len(long.arguments.encode()) <= 16 * 1024
    assert (await approvals.ask(call(3, arguments="plain text"))).arguments == "plain text"
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    assert (await approvals.ask(call(4, arguments=deep))).status == "pending"
    assert (await approvals.ask(call(5, arguments={"n": 2**80, "s": "\ud800"}))).status == "pending"


async def test_the_same_call_is_asked_for_once(approvals: Replica, other: Replica) -> None:
    first, again = await asyncio.gather(approvals.ask(call()), other.ask(call()))
    assert first == again and len(approvals.told + other.told) == 1
    assert (await approvals.ask(call(1))).approval_id != first.approval_id
    assert (await approvals.ask(call(agent="agt_2"))).approval_id != first.approval_id


async def test_an_approval_is_used_once_and_by_exactly_that_call(approvals: Replica, other: Replica) -> None:
    asked = await approvals.ask(call())
    assert await approvals.take("agt_1", "h0", "restart_service") is None
    ((decided, ours),) = await other.decide([asked.approval_id], "approved", by="adk_1", reason="fine")
    assert ours and decided is not None and (decided.status, decided.decided_by) == ("approved", "adk_1")
    assert decided.decision_reason == "fine" and decided.arguments == {"service": "web-0"}
    assert (await approvals.ask(call())).status == "approved"
    for agent, args_hash, tool in (
        ("agt_2", "h0", "restart_service"),
        ("agt_1", "h1", "restart_service"),
        ("agt_1", "h0", "x"),
    ):
        assert await approvals.take(agent, args_hash, tool) is None
    taken = await asyncio.gather(*(one.take("agt_1", "h0", "restart_service") for one in (approvals, other) * 10))
    (used,) = [found for found in taken if found is not None]
    assert used.approval_id == asked.approval_id and used.used_at is not None and used.arguments is None
    assert await approvals.take("agt_1", "h0", "restart_service") is None
    assert (await approvals.ask(call())).approval_id != asked.approval_id


async def test_of_two_operators_one_decides(approvals: Replica, other: Replica) -> None:
    for number in range(20):
        asked = await approvals.ask(call(number, agent=f"agt_{number}"))
        results = await asyncio.gather(
            approvals.decide([asked.approval_id], "approved", by="adk_1"),
            other.decide([asked.approval_id], "rejected", by="adk_2"),
        )
        flat = [result for ((result, ours),) in results if ours]
        assert len(flat) == 1 and flat[0] is not None
        found = await approvals.get(asked.approval_id)
        assert found == flat[0] and found.decided_by == {"approved": "adk_1", "rejected": "adk_2"}[found.status]


async def test_a_rejected_call_stays_rejected_for_a_while(approvals: Replica) -> None:
    asked = await approvals.ask(call())
    await approvals.decide([asked.approval_id], "rejected", by="adk_1", reason="no")
    again = await approvals.ask(call())
    assert (again.approval_id, again.status, again.arguments) == (asked.approval_id, "rejected", None)
    assert await approvals.wait(again.approval_id, 5) == "rejected"
    assert await approvals.take("agt_1", "h0", "restart_service") is None


async def test_who_waits_hears_of_a_decision_on_another_replica(approvals: Replica, other: Replica) -> None:
    asked = [await approvals.ask(call(number)) for number in range(3)]
    waiting = [asyncio.create_task(approvals.wait(one.approval_id, 30)) for one in asked]
    while approvals.waits.waiting < 3:
        await asyncio.sleep(0.01)
    await other.decide([asked[0].approval_id], "approved", by="adk_1")
    assert await waiting[0] == "approved"
    await other.decide([asked[1].approval_id], "rejected", by="adk_1")
    assert await waiting[1] == "rejected"
    assert not waiting[2].done()
    waiting[2].cancel()
    await asyncio.gather(waiting[2], return_exceptions=True)
    assert approvals.waits.waiting == 0


async def test_waiting_ends_without_a_decision(approvals: Replica) -> None:
    asked = await approvals.ask(call())
    assert await approvals.wait(asked.approval_id, 0.05) == "pending"
    assert await approvals.wait("apr_none", 5) == "expired"


async def test_an_agent_may_have_ten_pending_and_all_a_thousand(approvals: Replica) -> None:
    for number in range(PENDING_OF_AGENT):
        await approvals.ask(call(number))
    with pytest.raises(TooManyPending, match="10 approvals of this agent"):
        await approvals.ask(call(99))
    for agent in range(2, PENDING // PENDING_OF_AGENT + 1):
        await asyncio.gather(*(approvals.ask(call(n, agent=f"agt_{agent}")) for n in range(PENDING_OF_AGENT)))
    assert await approvals.count_pending() == PENDING
    with pytest.raises(TooManyPending, match="1000 approvals of all agents"):
        await approvals.ask(call(0, agent="agt_9999"))
    ours = await approvals.ask(replace(call(0, agent="agt_9999"), kind="healing"))
    assert ours.status == "pending"  # agents keep nobody from being asked about them
    await approvals.decide([ours.approval_id], "rejected", by="adk_1")
    found, cursor = await approvals.page("pending", limit=1000)
    ids = [one.approval_id for one in found]
    results = await approvals.decide(ids, "approved", by="adk_1")
    assert len(set(ids)) == PENDING and all(ours for _, ours in results)
    assert await approvals.count_pending() == 0
    assert (await approvals.ask(call(0, agent="agt_9999"))).status == "pending"


async def test_people_can_be_asked_about_an_agent_that_has_ten_pending(approvals: Replica) -> None:
    for number in range(PENDING_OF_AGENT):
        await approvals.ask(call(number))
    for number in range(OF_GATEWAY):
        asked = await approvals.ask(replace(call(number, deviation=7.5), kind="healing"))
        assert (asked.kind, asked.deviation) == ("healing", 7.5)
    with pytest.raises(TooManyPending, match="12 approvals of this agent"):
        await approvals.ask(replace(call(99), kind="healing"))


async def test_what_nobody_decides_is_over_after_its_life(approvals: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.approvals.LIFE_SECONDS", 0.3)
    monkeypatch.setattr("gateway.store.approvals.PENDING_OF_AGENT", 2)
    first, second = await approvals.ask(call(1)), await approvals.ask(call(2))
    await approvals.decide([second.approval_id], "approved", by="adk_1")
    assert await approvals.wait(first.approval_id, 10) == "expired"
    for approval_id in (first.approval_id, second.approval_id):
        found = await approvals.get(approval_id)
        assert found is not None and (found.status, found.arguments) == ("expired", None)
    assert await approvals.take("agt_1", "h2", "restart_service") is None
    ((_, ours),) = await approvals.decide([first.approval_id], "approved", by="adk_1")
    assert not ours and await approvals.count_pending() == 0
    assert (await approvals.ask(call(1))).approval_id != first.approval_id


async def test_they_are_listed_by_page_and_by_status(approvals: Replica) -> None:
    asked = [(await approvals.ask(call(number, agent=f"agt_{number}"))).approval_id for number in range(120)]
    await approvals.decide(asked[::2], "approved", by="adk_1")
    found, cursor = [], ""
    while True:
        page, following = await approvals.page(limit=7, cursor=cursor)
        found += [one.approval_id for one in page]
        if following is None:
            break
        cursor = following
    assert found == asked[::-1]
    approved, _ = await approvals.page("approved", limit=1000)
    assert [one.approval_id for one in approved] == asked[::2][::-1]
    assert (await approvals.page("expired"))[0] == []
    for wrong in ("x", "1", "-", "١-a"):
        with pytest.raises(ValueError, match="cursor"):
            await approvals.page(cursor=wrong)


async def test_what_is_kept_has_an_end(approvals: Replica, connection: Connection) -> None:
    approvals.announced = True
    asked = await approvals.ask(call())
    await approvals.decide([asked.approval_id], "approved", by="adk_1")
    waiting = await approvals.ask(call(1))
    await approvals.wait(waiting.approval_id, 0.05)
    keys = await connection.execute("KEYS", "*approvals*")
    assert len(keys) == 10
    for key in keys:
        assert await connection.execute("PTTL", key) > 0, key
    assert set(await connection.execute("ZRANGE", connection.keys.approvals_announce, 0, -1)) == {
        f"{asked.approval_id} requested".encode(),
        f"{asked.approval_id} approved".encode(),
        f"{waiting.approval_id} requested".encode(),
    }


async def test_they_work_on_a_cluster(shared_cluster: ClusterSet) -> None:
    async with replica(shared_cluster.url) as one, replica(shared_cluster.url) as other:
        asked = await one.ask(call(agent=f"agt_{time.time_ns()}"))
        waiting = asyncio.create_task(one.wait(asked.approval_id, 30))
        ((_, ours),) = await other.decide([asked.approval_id], "approved", by="adk_1")
        assert ours and await waiting == "approved"
        taken = [await side.take(asked.agent_id, "h0", "restart_service") for side in (one, other)]
        assert [found is not None for found in taken] == [True, False]
        assert asked.approval_id in [found.approval_id for found in (await other.page("approved"))[0]]


async def test_what_is_to_be_announced_is_bounded(
    approvals: Replica, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.approvals._ANNOUNCEMENTS", 3)
    approvals.announced = True
    asked = [(await approvals.ask(call(number))).approval_id for number in range(5)]
    assert len(await approvals.to_announce()) == 3
    await approvals.decide(asked[-1:], "approved", by="adk_1")
    marks = await approvals.to_announce()
    assert len(marks) == 3 and f"{asked[-1]} approved" in marks
    await approvals.strike(list(marks))
    await approvals.strike([])
    assert await approvals.to_announce() == {}
