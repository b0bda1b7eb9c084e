"""What operators change about who calls, over a real control log and Redis."""

import asyncio
import random
import time
from collections.abc import AsyncIterator

import pytest

from gateway.store.connection import Connection
from gateway.store.control import Control
from gateway.store.identities import Identities
from gateway.store.registry import Attributes

NOW = 1_900_000_000.0


class Replica:
    """One process's share."""

    def __init__(self, url: str) -> None:
        self.connection = Connection(url, op_timeout=5)
        self.control = Control(self.connection, clock=time.monotonic)
        self.identities = Identities.over(
            self.connection,
            self.control,
            b"root",
            clock=lambda: NOW,
            monotonic=lambda: NOW,
            choose=random.Random(1).choice,
            random_bytes=random.randbytes,
        )

    async def begin(self) -> "Replica":
        await self.control.begin()
        self.running = asyncio.create_task(self.control.run())
        return self

    async def close(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.connection.close()


@pytest.fixture
async def replicas(redis_url: str) -> AsyncIterator[tuple[Identities, Identities]]:
    both = [await Replica(redis_url).begin() for _ in range(2)]
    yield both[0].identities, both[1].identities
    for one in both:
        await one.close()


async def test_a_key_revoked_on_one_replica_is_refused_by_the_other(replicas: tuple[Identities, Identities]) -> None:
    here, there = replicas
    agent_id, shown = await here.register(Attributes("billing", "payments"))
    agent = await there.verified.of_key(shown)
    assert agent is not None and agent.agent_id == agent_id and agent.key_id is not None
    assert await here.end_key(agent_id, agent.key_id) is not None
    assert await there.verified.of_key(shown) is None


async def test_a_key_with_grace_is_good_everywhere_until_that_is_over(
    replicas: tuple[Identities, Identities],
) -> None:
    here, there = replicas
    agent_id, shown = await here.register(Attributes("billing"))
    assert (agent := await there.verified.of_key(shown)) is not None and agent.key_id is not None
    ended = await here.end_key(agent_id, agent.key_id, NOW + 60)
    assert ended is not None and ended.expires_at == NOW + 60
    assert await there.verified.of_key(shown) is not None


async def test_changes_are_known_everywhere_when_they_are_made(replicas: tuple[Identities, Identities]) -> None:
    here, there = replicas
    agent_id, shown = await here.register(Attributes("billing"))
    assert await there.verified.of_key(shown) is not None
    assert await here.change(agent_id, {"owner_team": "payments"}, active=False)
    agent = await there.verified.of_key(shown)
    assert agent is not None and agent.owner_team == "payments"
    assert there.rules.is_inactive(agent_id)
    assert await there.change(agent_id, {}, active=True)
    assert not here.rules.is_inactive(agent_id)
    assert not await here.change("agt_nobody", {"name": "x"}, active=False)
    assert not here.rules.is_inactive("agt_nobody")


async def test_merged_ids_are_one_until_they_are_split(replicas: tuple[Identities, Identities]) -> None:
    here, there = replicas
    await here.merge("agt_b", "agt_a")
    await here.merge("agt_a", "agt_z")
    assert there.rules.stands_for("agt_b") == "agt_z"
    assert await there.split("agt_a") == ["agt_a", "agt_b"]
    assert (here.rules.stands_for("agt_a"), here.rules.stands_for("agt_b")) == ("agt_a", "agt_b")
    assert await there.split("agt_a") == []
    assert here.rules.of("agt_a").apart


async def test_an_agent_that_is_deleted_leaves_no_key_behind(replicas: tuple[Identities, Identities]) -> None:
    here, there = replicas
    agent_id, shown = await here.register(Attributes("billing"))
    assert await there.verified.of_key(shown) is not None
    await here.delete(agent_id)
    assert await there.verified.of_key(shown) is None
    assert await here.keys.all(agent_id) == []


async def test_deleting_nobody_leaves_nothing_to_remember(redis_url: str) -> None:
    replica = await Replica(redis_url).begin()
    await replica.identities.delete("agt_nobody")
    assert replica.control.get("agent", "agt_nobody") is None
    await replica.close()
