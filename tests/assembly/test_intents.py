"""Intents and call tokens of a whole deployment: what one replica ends, no other still gives."""

import secrets
import time
from collections.abc import Iterator

import pytest

from gateway.store.call_tokens import CallTokens, ReleasedCall
from gateway.store.connection import Connection
from tests.edge.agents_api.conftest import INGEST_KEY
from tests.edge.agents_api.test_intents import Agent, agent_at, issuer_of
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.redis import RedisServer

PREFIX = f"asm{secrets.token_hex(4)}:"


@pytest.fixture(scope="module")
def gateways(shared_redis: RedisServer) -> Iterator[tuple[GatewayProcess, GatewayProcess]]:
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": PREFIX, "INGEST_API_KEY": INGEST_KEY}
    with running_gateway("--stub", env=env) as one, running_gateway("--stub", env=env) as other:
        yield one, other


async def release(redis: RedisServer, agent: Agent, call_id: str, intent_id: str | None) -> None:
    connection = Connection(redis.url, prefix=PREFIX, op_timeout=5)
    call = ReleasedCall(call_id, "get_status", "cloud", "h1", "dec_1", intent=intent_id)
    await CallTokens(connection, clock=time.time).save(agent.agent_id, [call])
    await connection.close()


async def test_a_call_token_ends_with_its_intent_and_with_the_agents_freedom(
    gateways: tuple[GatewayProcess, GatewayProcess], shared_redis: RedisServer
) -> None:
    agent = agent_at(gateways, "caller")
    intent_id = agent.minted({"tool": "get_status"})["intent_id"]
    await release(shared_redis, agent, "call_1", intent_id)
    await release(shared_redis, agent, "call_2", None)
    for at in (0, 1):
        found = agent.ask("GET", "/calls/call_1", at=at).json()
        assert (found["intent_id"], found["audience"]) == (intent_id, "cloud")
        looked = agent.ask("POST", "/intents/introspect", {"token": found["token"]}, at=at).json()
        assert (looked["active"], looked["token_type"], looked["tool"]) == (True, "call+jwt", "get_status")
    agent.ask("DELETE", f"/intents/{intent_id}")
    assert agent.ask("GET", "/calls/call_1", at=1).status_code == 403
    assert agent.ask("GET", "/calls/call_2", at=1).status_code == 200
    gateways[0].ask("POST", f"/quarantine/{agent.agent_id}", json={"reason": "odd"}).raise_for_status()
    assert agent.ask("GET", "/calls/call_2", at=1).status_code == 403


def test_another_deployment_takes_no_token_of_this_one(
    gateways: tuple[GatewayProcess, GatewayProcess], shared_redis: RedisServer
) -> None:
    token = agent_at(gateways, "own").minted({"tool": "get_status"})["token"]
    assert issuer_of(gateways[0], token) == PREFIX.strip(":")
    env = {"GATEWAY_REDIS_URL": shared_redis.url, "GATEWAY_REDIS_PREFIX": "other:", "INGEST_API_KEY": INGEST_KEY}
    with running_gateway("--stub", env=env) as stranger:
        agent = agent_at((stranger, stranger), "stranger")
        assert agent.ask("POST", "/intents/introspect", {"token": token}).json() == {"active": False}
