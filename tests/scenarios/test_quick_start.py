"""The first five minutes: make an agent, say what it may do, have it ask, have it report, look at the record."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from gateway.sdk import (
    AsyncGatewayClient,
    AuthenticationError,
    Decision,
    GatewayClient,
    GatewayUnavailable,
    InvalidRequest,
    PermissionDenied,
)
from tests.scenarios.deployment import Deployment, deployed
from tests.support.gateway import ADMIN_KEY, eventually
from tests.support.redis import RedisServer

ALLOW = [
    {"action": "read:file", "resource": "*.txt"},
    {"action": "read:file", "resource": "*.pdf"},
    {"action": "call:api", "resource": "api.internal.example/*"},
]
DENY = [{"action": "delete:*", "resource": "*"}, {"action": "write:file", "resource": "sensitive.txt"}]
QUESTIONS = (
    ("read:file", "document.txt", True),
    ("read file", "report.pdf", True),
    ("readFile", "image.png", False),
    ("write:file", "data.txt", False),
    ("delete:file", "old.txt", False),
    ("call:api", "api.internal.example/v1/users", True),
    ("call:api", "api.internal.example.evil.test/v1/users", False),
)


@pytest.fixture(scope="module")
def world(shared_redis: RedisServer) -> Iterator[Deployment]:
    with deployed(shared_redis) as one:
        yield one


def test_an_agent_is_made_bound_asked_and_recorded(world: Deployment) -> None:
    agent = world.admin.create_agent("demo-agent", owner_team="engineering", environment="dev")
    with world.client(agent) as client:
        assert client.enforce("delete:file", "old.txt"), "nothing binds it yet"
        world.admin.set_policy(agent.agent_id, allow=ALLOW, deny=DENY)
        for action, resource, allowed in QUESTIONS:
            assert client.enforce(action, resource).allowed is allowed, (action, resource)
        done = client.log_action("read:file", "document.txt", metadata={"bytes_read": 1024})
        client.log_action("delete:file", "old.txt", allowed=False, result="error")
        eventually(lambda: len(client.logs()) == 2)
        assert [entry["entry"] for entry in client.logs(allowed=True)] == [done]
    decided = [entry for entry in world.audited(agent) if entry["kind"] == "decision"]
    assert [entry["allowed"] for entry in reversed(decided)][1:] == [allowed for _, _, allowed in QUESTIONS]


def test_lists_that_are_set_again_replace_the_old_ones(world: Deployment) -> None:
    agent = world.admin.create_agent("changing-agent")
    with world.client(agent) as client:
        world.admin.set_policy(agent.agent_id, allow=["read:*"])
        assert client.enforce("read:file") and not client.enforce("write:file")
        world.admin.set_policy(agent.agent_id, allow=["write:*"])
        assert client.enforce("write:file") and not client.enforce("read:file")


def test_the_same_from_coroutines(world: Deployment) -> None:
    async def sure(client: AsyncGatewayClient, action: str) -> Decision:
        """On a busy machine Redis may come too late; then there is no decision, and one asks again."""
        for _ in range(50):
            with contextlib.suppress(GatewayUnavailable):
                return await client.enforce(action)
            await asyncio.sleep(0.1)
        raise AssertionError("it never answered")

    async def go() -> list[bool]:
        async with AsyncGatewayClient(world.gateway.url, admin_key=ADMIN_KEY) as admin:
            agent = await admin.create_agent("async-agent")
            await admin.set_policy(agent.agent_id, allow=["read:*"])
        async with AsyncGatewayClient(world.gateway.url, api_key=agent.api_key) as client:
            said = await asyncio.gather(*(sure(client, f"{verb}:file") for verb in ("read", "write") * 10))
            await client.log_action("read:file", "a")
            return [bool(one) for one in said]

    assert asyncio.run(go()) == [True, False] * 10


def test_what_goes_wrong_has_a_type(world: Deployment) -> None:
    with GatewayClient(
        world.gateway.url, api_key="agk_00000000_" + "0" * 38, admin_key="adm-wrong-key-000000"
    ) as stranger:
        with pytest.raises(AuthenticationError):
            stranger.enforce("read:file")
        with pytest.raises(AuthenticationError):
            stranger.set_policy("agt_1", allow=["read:*"])
    with pytest.raises(InvalidRequest) as caught:
        world.admin.create_agent("demo-agent")
    assert caught.value.status == 409
    agent = world.admin.create_agent("typed-agent")
    with pytest.raises(InvalidRequest):
        world.admin.set_policy(agent.agent_id, allow=[{"action": "read:*", "resourse": "*"}])
    with world.client(agent) as client, pytest.raises(InvalidRequest, match="body.action"):
        client.enforce("")
    with GatewayClient(world.gateway.url, api_key=agent.api_key) as agents_own, pytest.raises(PermissionDenied):
        agents_own.create_agent("another")
