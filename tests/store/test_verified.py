"""Agents that prove who they are, remembered."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.model.agent import Agent
from gateway.store.agent_keys import AgentKeys
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.registry import Attributes, Registry
from gateway.store.verified import FRESH, STALE, VerifiedAgents
from tests.support.redis import RedisServer

NOW = 1_900_000_000.0


class World:
    """A clock to turn, and everything that depends on it."""

    def __init__(self, url: str) -> None:
        self.now = NOW
        self.connection = Connection(url, op_timeout=5)
        clock = lambda: self.now  # noqa: E731
        self.keys = AgentKeys(self.connection, b"root", clock=clock, choose=random.Random(1).choice)
        self.registry = Registry(self.connection, clock=clock, random_bytes=random.Random(1).randbytes)
        self.verified = VerifiedAgents(self.keys, self.registry, clock=clock, monotonic=clock)


@pytest.fixture
async def world(own_redis: RedisServer) -> AsyncIterator[World]:
    world = World(own_redis.url)
    yield world
    await world.connection.close()


async def test_a_key_stands_for_its_agent_and_what_operators_say_of_it(world: World) -> None:
    agent_id = await world.registry.make(Attributes("billing", "payments", "prod"))
    key, shown = await world.keys.make(agent_id)
    agent = await world.verified.of_key(shown)
    assert agent is not None
    assert (agent.agent_id, agent.key_id, agent.verified) == (agent_id, key.key_id, True)
    assert (agent.name, agent.owner_team, agent.environment) == ("billing", "payments", "prod")
    assert agent.credential == "…" + shown[-4:] and shown not in repr(agent)


async def test_without_redis_a_known_key_is_good_for_a_while_and_an_unknown_one_is_not_wrong(
    world: World, own_redis: RedisServer
) -> None:
    agent_id = await world.registry.make(Attributes("billing"))
    (_, known), (_, unknown) = await world.keys.make(agent_id), await world.keys.make(agent_id)
    assert await world.verified.of_key(known) is not None
    own_redis.kill()
    world.now += FRESH + 1
    assert await world.verified.of_key(known) is not None
    with pytest.raises(StoreUnavailable):
        await world.verified.of_key(unknown)
    world.now += STALE
    with pytest.raises(StoreUnavailable):
        await world.verified.of_key(known)
    assert await world.verified.of_key(known[:-1] + "_") is None


async def test_a_change_is_seen_when_it_is_told_and_else_soon(world: World) -> None:
    agent_id = await world.registry.make(Attributes("billing"))
    key, shown = await world.keys.make(agent_id)
    assert (before := await world.verified.of_key(shown)) is not None and before.owner_team is None
    await world.registry.change(agent_id, {"owner_team": "payments"})
    assert await world.verified.of_key(shown) == before
    world.verified.agent_changed(agent_id, {}, 1)
    after = await world.verified.of_key(shown)
    assert after is not None and after.owner_team == "payments"
    await world.keys.end(agent_id, key.key_id)
    world.now += FRESH + 1
    assert await world.verified.of_key(shown) is None


async def test_a_revoked_key_stays_revoked_without_redis_or_with_an_older_one(
    world: World, own_redis: RedisServer
) -> None:
    agent_id = await world.registry.make(Attributes("billing"))
    key, shown = await world.keys.make(agent_id)
    assert await world.verified.of_key(shown) is not None
    world.verified.key_changed(key.key_id, {"revoked": True}, 1)
    assert await world.verified.of_key(shown) is None
    own_redis.kill()
    assert await world.verified.of_key(shown) is None


async def test_a_remembered_key_ends_in_time(world: World) -> None:
    agent_id = await world.registry.make(Attributes("billing"))
    _, shown = await world.keys.make(agent_id, NOW + 5)
    assert await world.verified.of_key(shown) is not None
    world.now += 5
    assert await world.verified.of_key(shown) is None


async def test_an_agent_with_a_token_has_what_operators_gave_it(world: World) -> None:
    agent_id = await world.registry.make(Attributes("from-operators", "payments"))
    shown = Agent(
        agent_id, verified=True, name="from-token", credential="…abcd", credential_id="crd_1", principal="kim"
    )
    agent = await world.verified.of_token(shown)
    assert (agent.name, agent.owner_team, agent.credential) == ("from-operators", "payments", "…abcd")
    assert agent.principal == "kim"
    assert (await world.verified.of_token(replace(shown, principal=None))).principal is None
    unknown = await world.verified.of_token(Agent("agt_new", verified=True, name="from-token"))
    assert unknown.name == "from-token"


async def test_a_key_that_was_just_good_is_not_digested_again_until_something_changes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent_id = await world.registry.make(Attributes("billing"))
    key, shown = await world.keys.make(agent_id)
    digested: list[str] = []
    digest = world.keys.digest
    monkeypatch.setattr(world.keys, "digest", lambda one: digested.append(one) or digest(one))
    wrong = shown[:-1] + "_"
    for one in (shown, shown, wrong, wrong):
        await world.verified.of_key(one)
    assert digested == [shown, wrong, wrong]
    await world.keys.end(agent_id, key.key_id)
    world.verified.key_changed(key.key_id, {"revoked": True}, 1)
    assert await world.verified.of_key(shown) is None
    assert digested[3:] == [shown]
