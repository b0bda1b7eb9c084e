"""One gateway before one real MCP server."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.mcp_client import agent_with_key
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


@pytest.fixture(scope="package")
def key(gateway: GatewayProcess) -> str:
    return agent_with_key(gateway, f"mcp-agent-{secrets.token_hex(4)}")[2]  # each worker makes one
