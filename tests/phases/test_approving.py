"""Calls that a person has to approve, on the whole path, with the approvals of a real Redis."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from gateway.policy.clauses import OnDeny
from gateway.policy.verdict import Count, Verdict
from gateway.store.approval_record import Approval, Outcome
from gateway.store.approvals import Approvals, TooManyPending
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from tests.support.judging import SERVICE, TOOL, Made, Remembering, World, judged_path
from tests.support.upstream import ScriptedUpstream, answer, json_answer

streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
HOLD = OnDeny("hold", 10)
LIFTABLE = Verdict(False, "ops/tools/x/service", "not that one", action="restart:service", on_deny=HOLD)
APPROVAL = Verdict(True, "ops/tools/x/approval", "a person has to look", policy="ops@1", approval=True)
HELD = Verdict(True, "ops/tools/x/approval", "a person has to look", approval=True, on_deny=HOLD)


@asynccontextmanager
async def asking(url: str, made: Made, **options: Any) -> AsyncIterator[tuple[World, Approvals]]:
    connection = Connection(url, op_timeout=5, connect_timeout=5)
    approvals = Approvals(connection, clock=time.time)
    running = asyncio.create_task(approvals.run())
    try:
        async with judged_path(made, approvals=approvals, **options) as world:
            yield world, approvals
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await connection.close()


async def pending(approvals: Approvals) -> Approval:
    """The one that waits, once it does."""
    async with asyncio.timeout(10):
        while not (found := (await approvals.page("pending"))[0]):
            await asyncio.sleep(0.01)
    return found[0]


async def decided(world: World, approvals: Approvals, outcome: Outcome, *, stream: bool) -> httpx.Response:
    asking = asyncio.create_task(world.ask(stream=stream))
    await approvals.decide([(await pending(approvals)).approval_id], outcome, by="root", reason="ok")
    return await asking


@streamed
@pytest.mark.parametrize("verdict", [LIFTABLE, HELD], ids=["denied", "approval"])
async def test_a_held_call_leaves_once_a_person_has_approved_it(redis_url: str, verdict: Verdict, stream: bool) -> None:
    async with asking(redis_url, Made({TOOL: verdict})) as (world, approvals):
        said = await decided(world, approvals, "approved", stream=stream)
        assert TOOL in said.text and "tool_calls" in said.text
        (entry,) = world.entries.all
        assert (entry.allowed, entry.rule) == (True, verdict.rule)
        (used,) = (await approvals.page("approved"))[0]
        assert entry.metadata == {"approval_id": used.approval_id}
        assert used.used_at is not None
        assert used.agent_id == said.headers["x-gateway-agent-id"]
        # It counts once: the same call has to be approved again.
        again = asyncio.create_task(world.ask(stream=stream))
        assert (await pending(approvals)).approval_id != used.approval_id
        again.cancel()


@streamed
async def test_a_held_call_that_a_person_rejects_is_refused(redis_url: str, stream: bool) -> None:
    async with asking(redis_url, Made({TOOL: LIFTABLE})) as (world, approvals):
        said = await decided(world, approvals, "rejected", stream=stream)
        seen = await world.path.sightings.settled()
        (approval,) = (await approvals.page("rejected"))[0]
    assert said.status_code == (200 if stream else 403)
    assert "approval_required" in said.text and "a person rejected it" in said.text
    assert approval.approval_id in said.text
    assert SERVICE not in said.text
    if not stream:
        assert said.json()["error"]["approval_id"] == approval.approval_id
        assert said.headers["x-should-retry"] == "false"
    assert (seen.vitals.denied_calls, seen.vitals.error_type) == (1, "approval_required")
    assert [entry.allowed for entry in world.entries.all] == [False]


@streamed
async def test_without_a_hold_the_agent_is_told_to_come_back(redis_url: str, stream: bool) -> None:
    async with asking(redis_url, Made({TOOL: APPROVAL})) as (world, approvals):
        told = await world.ask(stream=stream)
        assert "a person has to approve it first (apr_" in told.text
        assert "can be made again, unchanged" in told.text
        assert SERVICE not in told.text
        await approvals.decide([(await pending(approvals)).approval_id], "approved", by="root")
        again = await world.ask(stream=stream)
        assert "tool_calls" in again.text
        once_more = await world.ask(stream=stream)
        assert "a person has to approve it first" in once_more.text


@streamed
async def test_a_hold_that_nobody_decides_ends(redis_url: str, stream: bool) -> None:
    short = Verdict(False, "r", "no", on_deny=OnDeny("hold", 0.05))
    async with asking(redis_url, Made({TOOL: short})) as (world, _):
        said = await world.ask(stream=stream)
    assert "approval_required" in said.text and "a person has to approve it first" in said.text
    assert SERVICE not in said.text


async def test_a_call_that_may_not_be_made_any_more_stays_refused_though_it_was_approved(redis_url: str) -> None:
    made = Made({TOOL: LIFTABLE})
    async with asking(redis_url, made) as (world, approvals):
        waiting = asyncio.create_task(world.ask())
        approval = await pending(approvals)
        made.calls[TOOL] = Verdict(False, "ops/modes/QUIET/deny/0", "quiet")
        await approvals.decide([approval.approval_id], "approved", by="root")
        said = await waiting
        found = await approvals.get(approval.approval_id)
    assert "ops/modes/QUIET/deny/0" in said.text
    assert SERVICE not in said.text
    assert found is not None and found.used_at is None


async def test_an_approval_is_used_after_what_the_call_counts_has_room(redis_url: str) -> None:
    count = Count("a", 1.0, 1.0, rule="ops/sum", reason="no room")
    made = Made({TOOL: Verdict(False, "r", "no", on_deny=HOLD, counts=(count,))}, needs_memory=True)
    async with asking(redis_url, made, memories=Remembering(count)) as (world, approvals):
        said = await decided(world, approvals, "approved", stream=False)
        (approval,) = (await approvals.page("approved"))[0]
    assert "ops/sum: no room" in said.text
    assert approval.used_at is None


async def test_an_approval_that_somebody_else_used_meanwhile_is_over(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: Any, **__: Any) -> None:
        return None

    async with asking(redis_url, Made({TOOL: LIFTABLE})) as (world, approvals):
        monkeypatch.setattr(approvals, "take", nothing)
        said = await decided(world, approvals, "approved", stream=False)
    assert "nobody approved it in time" in said.text
    assert SERVICE not in said.text


async def test_where_too_many_wait_nobody_is_asked_and_nothing_leaves(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any) -> Approval:
        raise TooManyPending("10 approvals of this agent wait already.")

    async with asking(redis_url, Made({TOOL: LIFTABLE})) as (world, approvals):
        monkeypatch.setattr(approvals, "ask", full)
        said = await world.ask()
    assert (said.status_code, said.json()["error"]["code"]) == (403, "approval_required")
    assert "10 approvals of this agent wait already" in said.text
    assert "approval_id" not in said.json()["error"]


async def test_without_redis_nobody_can_be_asked_and_nothing_leaves(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: Any) -> Approval:
        raise StoreUnavailable("timeout")

    async with asking(redis_url, Made({TOOL: LIFTABLE})) as (world, approvals):
        monkeypatch.setattr(approvals, "ask", gone)
        said = await world.ask()
    assert (said.status_code, said.json()["error"]["code"]) == (503, "state_unavailable")


async def test_strictly_recorded_an_approved_call_waits_for_the_record_too(redis_url: str) -> None:
    async with asking(redis_url, Made({TOOL: LIFTABLE}), strict=True) as (world, approvals):
        said = await decided(world, approvals, "approved", stream=False)
    assert SERVICE in said.text
    assert world.entries.safe == ["chain/0"]


async def test_the_other_calls_of_a_turn_that_waits_in_vain_are_recorded_too(redis_url: str) -> None:
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        for n, name in enumerate(("get_status", TOOL))
    ]
    answer = {"choices": [{"index": 0, "message": {"tool_calls": calls}, "finish_reason": "tool_calls"}]}
    made = Made({TOOL: APPROVAL, "get_status": Verdict(True, "ops/allow/0", policy="ops@1")})
    async with (
        ScriptedUpstream(json_answer(answer)) as upstream,
        asking(redis_url, made, upstream=upstream.url) as (world, _),
    ):
        assert "a person has to approve it first" in (await world.ask(model="m")).text
    assert [(entry.tool, entry.allowed, entry.metadata.get("withheld")) for entry in world.entries.all] == [
        ("get_status", True, True),
        (TOOL, False, None),
    ]


async def test_a_call_that_needs_approval_only_since_another_was_approved_does_not_leave(redis_url: str) -> None:
    calls = [{"id": str(n), "type": "function", "function": {"name": f"t{n}", "arguments": "{}"}} for n in (0, 1)]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    answer = {"id": "x", "object": "chat.completion", "choices": [choice]}
    made = Made({"t0": HELD})
    async with (
        ScriptedUpstream(json_answer(answer)) as upstream,
        asking(redis_url, made, upstream=upstream.url) as (world, approvals),
    ):
        waiting = asyncio.create_task(world.ask(model="gpt-4o"))
        first = await pending(approvals)
        made.calls["t1"] = LIFTABLE  # by a mode, say
        await approvals.decide([first.approval_id], "approved", by="root")
        second = await pending(approvals)
        assert second.tool == "t1"
        await approvals.decide([second.approval_id], "rejected", by="root")
        said = await waiting
    assert said.status_code == 403 and "a person rejected it" in said.text


@streamed
@pytest.mark.parametrize("times", [2, 3])
async def test_equal_calls_of_one_turn_are_approved_one_by_one_and_leave_together(
    redis_url: str, times: int, stream: bool
) -> None:
    call = {"type": "function", "function": {"name": TOOL, "arguments": '{"service": "a"}'}}
    turn = [{"index": place, "id": f"c{place}", **call} for place in range(times)]
    async with (
        ScriptedUpstream(_turn(turn, stream=stream)) as upstream,
        asking(redis_url, Made({TOOL: APPROVAL}), upstream=upstream.url) as (world, approvals),
    ):
        for approved in range(times):
            said = await world.ask(stream=stream, model="gpt-4o")
            assert "tool_calls" not in said.text
            waiting = (await approvals.page("pending"))[0]
            assert len(waiting) == times - approved
            await approvals.decide([waiting[0].approval_id], "approved", by="root")
        assert (await world.ask(stream=stream, model="gpt-4o")).text.count('"c') >= times
        # Each counts once, for one of them.
        assert "tool_calls" not in (await world.ask(stream=stream, model="gpt-4o")).text
        assert len((await approvals.page("pending"))[0]) == times
        left = [entry for entry in world.entries.all if entry.allowed and not entry.metadata.get("withheld")]
        assert len({entry.metadata["approval_id"] for entry in left}) == len(left) == times


def _turn(calls: list[dict[str, Any]], *, stream: bool) -> bytes:
    choice: dict[str, Any] = {"index": 0, "finish_reason": "tool_calls"}
    if not stream:
        message = {"role": "assistant", "content": None, "tool_calls": calls}
        return json_answer({"id": "a", "object": "chat.completion", "choices": [{**choice, "message": message}]})
    delta = {"role": "assistant", "tool_calls": calls}
    chunk = {"id": "a", "object": "chat.completion.chunk", "choices": [{**choice, "delta": delta}]}
    body = b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n"
    return answer(200, body, [("content-type", "text/event-stream")])
