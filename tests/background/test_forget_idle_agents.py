"""Agents that stopped calling, on a real Redis."""

import asyncio
import random
from dataclasses import replace

from gateway.background.forget_idle_agents import forget_idle_agents
from gateway.model.agent import Agent
from gateway.store.agents import Agents
from gateway.store.connection import Connection
from gateway.store.registry import Attributes, Registry
from tests.store.test_agents import EXCHANGE

DAY = 86_400.0


async def test_only_who_is_idle_and_of_no_interest_is_forgotten(redis_url: str) -> None:
    connection = Connection(redis_url, op_timeout=5)
    now = [EXCHANGE.time]
    registry = Registry(connection, clock=lambda: now[0], random_bytes=random.Random(1).randbytes)
    agents = Agents(connection, clock=lambda: now[0])
    made = await registry.make(Attributes("made"))
    for number in range(300):
        agents.seen(Agent(f"agt_{number}", credential_id="crd_1"), EXCHANGE, ok=True)
    assert await agents.flush()
    await registry.change("agt_7", {"name": "kept"})
    await connection.execute("ZADD", connection.keys.credential("crd_1"), 1, "agt_1", 1, "agt_8")
    now[0] += 31 * DAY
    agents.seen(Agent("agt_8", credential_id="crd_1"), replace(EXCHANGE, time=now[0]), ok=True)
    assert await agents.flush()
    duty = asyncio.create_task(forget_idle_agents(registry, idle_seconds=30 * DAY))
    async with asyncio.timeout(20):
        while await connection.execute("ZCARD", connection.keys.agents) > 3:
            await asyncio.sleep(0.01)
    assert await registry.forget_idle(30 * DAY) == 0
    duty.cancel()
    records, _ = await agents.list(10)
    assert {record.agent_id for record in records} == {made, "agt_7", "agt_8"}
    assert await connection.execute("ZRANGE", connection.keys.credential("crd_1"), 0, -1) == [b"agt_8"]
    await connection.close()
