"""One gateway with an ingest key and an agent that has a key."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.gateway import ADMIN_KEY, GatewayProcess, running_gateway

INGEST_KEY = "igk-Tr7mWq2zLp9xVb4c"


@dataclass
class AgentsApi:
    """The API of a running gateway, and an agent's id and key."""

    gateway: GatewayProcess
    agent_id: str
    agent_key: str

    def post(self, path: str, body: Any, key: str | None = INGEST_KEY, **headers: str) -> httpx.Response:
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        return httpx.post(f"{self.gateway.url}/api/v1{path}", json=body, headers=headers, timeout=20)


@pytest.fixture(scope="package")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentsApi]:
    env = {  # a Redis of its own, for tests of this directory empty the shared one
        "GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "INGEST_API_KEY": INGEST_KEY,
    }
    with running_gateway("--stub", env=env) as gateway:
        admin = {"base_url": f"{gateway.url}/api/gateway", "headers": {"x-admin-key": ADMIN_KEY}, "timeout": 20}
        with httpx.Client(**admin) as client:  # type: ignore[arg-type]
            agent_id = client.post("/agents", json={"name": "reporter", "owner_team": "ops"}).json()["agent_id"]
            agent_key = client.post(f"/agents/{agent_id}/keys").json()["api_key"]
        yield AgentsApi(gateway, agent_id, agent_key)
