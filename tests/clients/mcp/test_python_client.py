"""The real Python client, a real gateway, a real server: both eras."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.mcp_server import RunningServer, running_mcp_server
from tests.support.redis import RedisServer

MODES = ("legacy", "2026-07-28")
POLICY = {
    "name": "tools",
    "rules": {
        "deny": ["delete:file"],
    },
}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_mcp_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer, server: RunningServer, tmp_path_factory: Any) -> Iterator[GatewayProcess]:
    policies = tmp_path_factory.mktemp("policies")
    (policies / "tools.yaml").write_text("name: tools\ndeny: [delete file]\n")
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": "mcp:",
        "GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("mcp")),
        "GATEWAY_POLICY_DIR": str(policies),
        "GATEWAY_MCP_SERVERS": json.dumps({"files": {"url": server.url, "api_key_env": "FILES_KEY"}}),
        "FILES_KEY": "files-own-key-0123456789",
    }
    with running_gateway(env=env) as running:
        yield running


def agent_key(gateway: GatewayProcess, name: str) -> str:
    made = gateway.ask("POST", "/agents", json={"name": name}).json()
    return str(gateway.ask("POST", f"/agents/{made['agent_id']}/keys").json()["api_key"])


@pytest.fixture(scope="module")
def key(gateway: GatewayProcess) -> str:
    return agent_key(gateway, "mcp-agent")


@contextlib.asynccontextmanager
async def connected(gateway: GatewayProcess, key: str, mode: str, **options: Any) -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=20) as http:
        transport = streamable_http_client(f"{gateway.url}/mcp/files", http_client=http)
        async with Client(transport, mode=mode, **options) as client:
            yield client


@pytest.mark.parametrize("mode", MODES)
def test_tools_are_listed_and_called(gateway: GatewayProcess, server: RunningServer, key: str, mode: str) -> None:
    async def use() -> None:
        async with connected(gateway, key, mode) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} >= {"add", "delete_file"}
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
