"""`/agents/register`, over a real gateway and Redis."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.gateway import ADMIN_KEY, GatewayProcess, running_gateway
from tests.support.redis import RedisServer

INGEST_KEY = "igk-Zt7RwQ2mXv9LpKdB"


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    env = {
        "GATEWAY_REDIS_URL": shared_redis.url,
        "GATEWAY_REDIS_PREFIX": "reg:",
        "GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("register")),
        "INGEST_API_KEY": INGEST_KEY,
    }
    with running_gateway("--stub", env=env) as process:
        yield process


def register(gateway: GatewayProcess, body: object, key: str = INGEST_KEY) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(f"{gateway.url}/api/v1/agents/register", json=body, headers=headers, timeout=20)


def test_an_agent_that_registers_is_known_by_the_key_it_gets(gateway: GatewayProcess) -> None:
    answer = register(gateway, {"name": "billing", "owner_team": "payments", "environment": "prod"})
    assert answer.status_code == 201 and answer.json().keys() == {"agent_id", "api_key"}
    agent_id, key = answer.json()["agent_id"], answer.json()["api_key"]
    ask = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
    reply = httpx.post(f"{gateway.url}/v1/chat/completions", json=ask, headers={"authorization": f"Bearer {key}"})
    assert (reply.status_code, reply.headers["x-gateway-agent-id"]) == (200, agent_id)
    shown = gateway.admin(f"/agents/{agent_id}").json()
    assert (shown["verified"], shown["owner_team"], shown["environment"]) == (True, "payments", "prod")


def test_a_name_is_registered_once(gateway: GatewayProcess) -> None:
    first = register(gateway, {"name": "once"})
    again = register(gateway, {"name": "once"})
    assert (first.status_code, again.status_code) == (201, 409)
    assert first.json()["agent_id"] in again.json()["detail"]


def test_only_the_ingest_key_registers(gateway: GatewayProcess) -> None:
    key = register(gateway, {"name": "registrar"}).json()["api_key"]
    assert register(gateway, {"name": "other"}, key).status_code == 403
    for wrong in ("nonsense", ADMIN_KEY, key[:-1] + "_"):
        assert register(gateway, {"name": "other"}, wrong).status_code == 401


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x", "role": "admin"}, {"name": 3}, []])
def test_a_wrong_registration_names_the_member(gateway: GatewayProcess, body: object) -> None:
    answer = register(gateway, body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("body")
