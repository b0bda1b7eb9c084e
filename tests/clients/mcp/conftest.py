"""One gateway before one real MCP server, and the real Python client."""

import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.mcp_server import Events, RunningServer, running_mcp_server
from tests.support.redis import RedisServer


@pytest.fixture(scope="package")
def server() -> Iterator[RunningServer]:
    with running_mcp_server(event_store=Events(), retry_interval=20) as running:
        yield running


@pytest.fixture(scope="package")
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


def agent_with_key(gateway: GatewayProcess, name: str) -> tuple[str, str, str]:
    """Agent id, key id and key of a new agent."""
    agent_id = str(gateway.ask("POST", "/agents", json={"name": name}).json()["agent_id"])
    made = gateway.ask("POST", f"/agents/{agent_id}/keys").json()
    return agent_id, str(made["key_id"]), str(made["api_key"])


@pytest.fixture(scope="package")
def key(gateway: GatewayProcess) -> str:
    return agent_with_key(gateway, "mcp-agent")[2]


@contextlib.asynccontextmanager
async def connected(
    gateway: GatewayProcess, key: str, mode: str, *, headers: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[Client]:
    """The real client at the server `files`; `mode` as the client calls it."""
    sent = {"authorization": f"Bearer {key}", **(headers or {})}
    async with httpx2.AsyncClient(headers=sent, timeout=20) as http:
        transport = streamable_http_client(f"{gateway.url}/mcp/files", http_client=http)
        async with Client(transport, mode=mode, **options) as client:
            yield client
