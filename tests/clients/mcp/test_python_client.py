"""The real Python client, a real gateway, a real server: both eras."""

import asyncio
from typing import Any

import pytest
from mcp import MCPError, types

from tests.support.gateway import GatewayProcess, eventually
from tests.support.mcp_client import agent_with_key, connected
from tests.support.mcp_server import RunningServer

MODES = ("legacy", "2026-07-28")


@pytest.mark.parametrize("mode", MODES)
def test_tools_are_listed_and_called(gateway: GatewayProcess, server: RunningServer, key: str, mode: str) -> None:
    async def use() -> None:
        async with connected(gateway, key, mode) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert "add" in names and "delete_file" not in names
            result = await client.call_tool("add", {"a": 1, "b": 2})
            assert result.content[0].text == "3"  # type: ignore[union-attr]
            assert (await client.read_resource("file:///notes")).contents
            assert (await client.get_prompt("greet", {"name": "Ada"})).messages

    asyncio.run(use())
    sent = server.requests[-1][2]
    assert sent["authorization"] == "Bearer files-own-key-0123456789"
    assert all(key not in value for _, _, headers in server.requests for value in headers.values())


@pytest.mark.parametrize("mode", MODES)
def test_a_denied_call_is_a_failed_tool_and_never_reaches_the_server(
    gateway: GatewayProcess, server: RunningServer, key: str, mode: str
) -> None:
    async def use() -> Any:
        async with connected(gateway, key, mode) as client:
            return await client.call_tool("delete_file", {"path": "/etc"})

    result = asyncio.run(use())
    assert result.is_error
    assert "delete_file" in result.content[0].text and "tools/deny" in result.content[0].text
    assert not [call for call in server.calls if call[0] == "delete_file"]


@pytest.mark.parametrize("mode", MODES)
def test_a_plan_is_an_ordinary_answer(gateway: GatewayProcess, server: RunningServer, key: str, mode: str) -> None:
    before = len(server.calls)

    async def use() -> Any:
        async with connected(gateway, key, mode, headers={"x-gateway-execution": "plan_only"}) as client:
            return await client.call_tool("add", {"a": 1, "b": 2})

    result = asyncio.run(use())
    assert not result.is_error and result.content[0].text.startswith("Plan (not executed):")
    assert result.meta["io.leuko/dry_run"] is True and len(server.calls) == before


@pytest.mark.parametrize("mode", MODES)
def test_progress_comes_before_the_result(gateway: GatewayProcess, key: str, mode: str) -> None:
    steps: list[float] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async def use() -> Any:
        async with connected(gateway, key, mode) as client:
            return await client.call_tool("talk", {"count": 3}, progress_callback=progress)

    result = asyncio.run(use())
    assert result.content[0].text == "said" and steps == [1, 2, 3]


def test_without_a_key_nothing_is_served(gateway: GatewayProcess) -> None:
    async def use() -> None:
        async with connected(gateway, "sk-anything", "legacy"):
            pass

    with pytest.raises((MCPError, BaseExceptionGroup)):
        asyncio.run(use())


@pytest.mark.parametrize("mode", MODES)
def test_a_tool_that_fails_fails_as_ever(gateway: GatewayProcess, key: str, mode: str) -> None:
    async def use() -> Any:
        async with connected(gateway, key, mode) as client:
            with pytest.raises(MCPError):
                await client.read_resource("file:///none")
            return await client.call_tool("fail", {})

    assert asyncio.run(use()).is_error


def test_auto_negotiation_finds_the_newest_version(gateway: GatewayProcess, key: str) -> None:
    async def use() -> str:
        async with connected(gateway, key, "auto") as client:
            await client.call_tool("add", {"a": 1, "b": 1})
            return str(client.protocol_version)

    assert asyncio.run(use()) == "2026-07-28"


def test_the_server_may_ask_the_client_back(gateway: GatewayProcess, key: str) -> None:
    async def elicit(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"count": 3})

    async def use() -> Any:
        async with connected(gateway, key, "legacy", elicitation_callback=elicit) as client:
            return await client.call_tool("ask", {})

    assert asyncio.run(use()).content[0].text == "accept count=3"


@pytest.mark.parametrize("mode", MODES)
def test_a_call_that_is_given_up_is_cancelled_at_the_server(
    gateway: GatewayProcess, server: RunningServer, key: str, mode: str
) -> None:
    server.cancelled.clear()
    started = len(server.calls)

    async def use() -> None:
        async with connected(gateway, key, mode) as client:
            asking = asyncio.create_task(client.call_tool("slow", {}))
            while len(server.calls) == started:
                await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            while not server.cancelled:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(use(), 20))
    assert server.cancelled == ["slow"]


def test_an_answer_is_taken_up_again_where_the_stream_ended(
    gateway: GatewayProcess, server: RunningServer, key: str
) -> None:
    async def use() -> Any:
        async with connected(gateway, key, "legacy") as client:
            return await client.call_tool("resume", {})

    assert asyncio.run(use()).content[0].text == "resumed"
    assert any(method == "GET" and "last-event-id" in headers for method, _, headers in server.requests)


def test_changes_are_told_to_who_listens(gateway: GatewayProcess, key: str) -> None:
    async def use() -> Any:
        async with connected(gateway, key, "2026-07-28") as client, client.listen(tools_list_changed=True) as changes:
            await client.call_tool("change", {})
            return await anext(aiter(changes))

    assert type(asyncio.run(use())).__name__ == "ToolsListChanged"


def test_operators_see_which_servers_an_agent_uses(gateway: GatewayProcess) -> None:
    agent_id, _, key = agent_with_key(gateway, "seen-agent")

    async def use() -> None:
        async with connected(gateway, key, "2026-07-28") as client:
            await client.call_tool("add", {"a": 1, "b": 2})
            await client.call_tool("delete_file", {"path": "/x"})

    asyncio.run(use())
    eventually(lambda: gateway.admin(f"/agents/{agent_id}").json()["mcp_servers"] == ["files"])
    assert gateway.admin(f"/agents/{agent_id}").json()["providers"] == []
    vitals = gateway.admin(f"/agents/{agent_id}/vitals").json()["items"]
    assert {tuple(one["tool_names"]) for one in vitals if one["tool_calls"]} == {("add",), ("delete_file",)}
    assert sum(one["denied_calls"] for one in vitals) == 1
