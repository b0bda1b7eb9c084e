"""What is measured of an exchange with a server."""

import asyncio
import logging
from typing import Any

import pytest

from tests.support.mcp_path import call, mcp_path, request, result
from tests.support.upstream import ScriptedUpstream, json_answer

ANSWERED = json_answer(result())


def run(steps: Any, *documents: Any, script: Any = ANSWERED, **options: Any) -> None:
    async def all_of_it() -> None:
        async with ScriptedUpstream(script) as upstream, mcp_path(upstream.url, *documents, **options) as world:
            await steps(world, upstream)

    asyncio.run(all_of_it())


def test_a_call_counts() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        await world.post(call("add"), x_agent_session="s1", user_agent="tester/1")
        seen = await world.settled()
        vitals = seen.vitals
        assert (seen.agent.agent_id, seen.ok, seen.client) == ("one", True, "tester/1")
        assert (vitals.dialect, vitals.provider, vitals.model) == ("mcp", "mcp:files", None)
        assert (vitals.tool_calls, vitals.tool_names, vitals.tool_errors, vitals.denied_calls) == (1, ("add",), 0, 0)
        assert (vitals.status, vitals.error_type, vitals.cost_usd, vitals.conversation) == (200, None, 0.0, "s1")
        assert vitals.latency_ms > 0 and vitals.input_tokens == 0

    run(steps)


@pytest.mark.parametrize("answered", [result(1, isError=True), {"jsonrpc": "2.0", "id": 1, "error": {"code": 1}}])
def test_a_tool_that_failed_is_an_error_of_the_tool(answered: Any) -> None:
    async def steps(world: Any, upstream: Any) -> None:
        assert (await world.post(call("add"))).json() == answered
        assert (await world.settled()).vitals.tool_errors == 1

    run(steps, script=json_answer(answered))


def test_a_refusal_is_measured_and_dated() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        await world.post(b"{")
        assert (await world.settled()).vitals.error_type == "invalid_request"
        await world.post(call("add"), to="/mcp/none")
        seen = await world.settled(2)
        assert (seen.vitals.error_type, seen.ok, seen.vitals.tool_calls) == ("not_found", False, 0)

    run(steps)


def test_nobody_is_seen_who_was_not_known() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        await world.post(call("add"), key="agk_nobody")
        await world.post(call("add"))
        assert (await world.settled()).agent.agent_id == "one" and len(world.sightings.all) == 1

    run(steps)


def test_streams_that_stand_are_no_work_of_an_agent() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        await world.client.get("/mcp/files", headers=world.headers())
        await world.post(request("ping"))
        assert (await world.settled()).vitals.tool_calls == 0 and len(world.sightings.all) == 1
        assert [entry.result for entry in world.entries.all if entry.kind == "outcome"] == ["success", "success"]

    run(steps)


def test_decisions_and_outcomes_name_server_and_tool() -> None:
    async def steps(world: Any, upstream: Any) -> None:
        await world.post(call("add"))
        await world.post(request("tools/list"))
        await world.settled(2)
        found = [(entry.kind, entry.action, entry.resource, entry.of) for entry in world.entries.all]
        assert found == [
            ("decision", "call:tool", "files/add", None),
            ("outcome", "call:tool", "files/add", "chain/0"),
            ("decision", "relay:mcp", "files/tools/list", None),
            ("outcome", "relay:mcp", "files/tools/list", "chain/2"),
        ]

    run(steps)


def test_an_observer_that_fails_fails_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    def fail(exchange: Any, vitals: Any) -> None:
        raise ValueError("no")

    async def steps(world: Any, upstream: Any) -> None:
        assert (await world.post(call("add"))).status_code == 200
        await world.settled()
        assert heard == ["req_1"]

    with caplog.at_level(logging.ERROR):
        run(steps, observers=(fail, lambda exchange, vitals: heard.append(exchange.id)))
    assert "an observer failed" in caplog.text
