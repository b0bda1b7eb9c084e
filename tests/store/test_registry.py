"""What operators say about agents, on a real Redis."""

import random

import pytest

from gateway.store.agents import Agents
from gateway.store.connection import Connection
from gateway.store.registry import Attributes, NameTaken, Registry

NOW = 1_900_000_000.0


@pytest.fixture
def registry(connection: Connection) -> Registry:
    return Registry(connection, clock=lambda: NOW, random_bytes=random.Random(1).randbytes)


async def test_an_agent_that_was_made_is_listed_before_anyone_saw_it(
    registry: Registry, connection: Connection
) -> None:
    agent_id = await registry.make(Attributes("billing", "payments", "prod"))
    agents = Agents(connection, clock=lambda: NOW)
    ((record,), _) = await agents.list(10)
    assert (record.agent_id, record.name, record.verified, record.requests) == (agent_id, "billing", True, 0)
    assert await registry.attributes(agent_id) == Attributes("billing", "payments", "prod")


async def test_a_name_belongs_to_one_agent_until_it_is_let_go(registry: Registry) -> None:
    one, two = await registry.make(Attributes("billing")), await registry.make(Attributes("planner"))
    with pytest.raises(NameTaken) as taken:
        await registry.change(two, {"name": "billing"})
    assert taken.value.owner == one
    assert await registry.change(one, {"name": "invoices"})
    assert await registry.change(two, {"name": "billing"})
    assert await registry.delete(two)
    await registry.make(Attributes("billing"))
    with pytest.raises(NameTaken):
        await registry.make(Attributes("invoices"))


async def test_what_is_removed_is_gone_and_the_rest_stays(registry: Registry) -> None:
    agent_id = await registry.make(Attributes("billing", "payments", "prod"))
    assert await registry.change(agent_id, {"owner_team": None, "environment": "test"})
    assert await registry.attributes(agent_id) == Attributes("billing", None, "test")


async def test_an_agent_that_does_not_exist_is_not_made_by_a_change(registry: Registry, connection: Connection) -> None:
    assert not await registry.change("agt_nobody", {"name": "ghost"})
    assert not await connection.execute("EXISTS", connection.keys.agent("agt_nobody"))
    await registry.make(Attributes("ghost"))
    assert not await registry.delete("agt_nobody")


async def test_with_an_agent_goes_from_where_it_was_used(registry: Registry, connection: Connection) -> None:
    agent_id, keys = await registry.make(Attributes("billing")), connection.keys
    for key in (keys.forms(agent_id), keys.clients(agent_id)):
        await connection.execute("HSET", key, "a", "b")
    assert await registry.delete(agent_id)
    assert not await connection.execute("EXISTS", keys.forms(agent_id), keys.clients(agent_id))
