"""The real Python client before a gateway, and the agents it stands for."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support.gateway import GatewayProcess


def agent_with_key(gateway: GatewayProcess, name: str) -> tuple[str, str, str]:
    """Agent id, key id and key of a new agent."""
    agent_id = str(gateway.ask("POST", "/agents", json={"name": name}).json()["agent_id"])
    made = gateway.ask("POST", f"/agents/{agent_id}/keys").json()
    return agent_id, str(made["key_id"]), str(made["api_key"])


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
