"""The MCP client of the OpenAI Agents SDK before the gateway."""

import asyncio
from typing import Any

from agents.mcp import MCPServerStreamableHttp

from tests.support.gateway import GatewayProcess
from tests.support.mcp_server import RunningServer


def test_tools_are_listed_called_and_denied(gateway: GatewayProcess, server: RunningServer, key: str) -> None:
    async def use() -> Any:
        url, headers = f"{gateway.url}/mcp/files", {"authorization": f"Bearer {key}"}
        async with MCPServerStreamableHttp(
            {"url": url, "headers": headers}, client_session_timeout_seconds=20
        ) as files:
            names = {tool.name for tool in await files.list_tools()}
            added = await files.call_tool("add", {"a": 1, "b": 2})
            return names, added, await files.call_tool("delete_file", {"path": "/etc"})

    names, added, denied = asyncio.run(use())
    assert {"add", "talk"} <= names and added.content[0].text == "3"
    assert denied.is_error and "tools/deny" in denied.content[0].text
    assert not [call for call in server.calls if call[0] == "delete_file"]
