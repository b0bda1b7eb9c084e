"""Agents that look like a quarantined one: found if they are new, and nobody else suffers."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from gateway.model.agent import Agent
from gateway.model.lifecycle import Life
from gateway.phases.likeness import Likeness
from gateway.store.agents import Agents
from gateway.store.connection import Connection
from gateway.store.control import Control
from gateway.store.errors import StoreUnavailable
from gateway.store.quarantine import Quarantine
from gateway.store.vitals import VitalsLog
from tests.support.path import Path, running_path
from tests.support.redis import RedisServer

CHAT = "/v1/chat/completions"


def ask(prompt: str | None = "You are a pirate.", tool: str = "sail", model: str = "stub-echo") -> dict[str, Any]:
    system = [] if prompt is None else [{"role": "system", "content": prompt}]
    tools = [{"type": "function", "function": {"name": tool, "parameters": {"type": "object"}}}]
    return {"model": model, "messages": [*system, {"role": "user", "content": "Hello"}], "tools": tools}


class World:
    def __init__(self, path: Path, quarantine: Quarantine, agents: Agents, likeness: Likeness) -> None:
        self.path, self.quarantine, self.agents, self.likeness = path, quarantine, agents, likeness
        self.told: list[tuple[str, str]] = []
        self.sent = 0

    async def send(self, key: str, body: dict[str, Any] | None = None, *, secret: bool = True) -> Agent:
        shown = {"authorization": f"Bearer sk-{key}-0123456789"} if secret else {"x-agent-id": key}
        await self.path.client.post(CHAT, json=body or ask(), headers=shown)
        self.sent += 1
        seen = await self.path.sightings.settled(self.sent)
        self.agents.seen(seen.agent, seen.vitals, client="x", address="127.0.0.1", tools=(), ok=seen.ok)
        return seen.agent

    async def block(self, agent: Agent) -> Life:
        await self.agents.flush()
        life, _ = await self.quarantine.block(agent.agent_id, "ill", "root", credential_id=agent.credential_id)
        await self.likeness.flush()
        return life


@asynccontextmanager
async def world(url: str) -> AsyncIterator[World]:
    connection = Connection(url, op_timeout=2)
    control = Control(connection, clock=time.monotonic)
    quarantine = Quarantine(control, connection, clock=lambda: 1.8e9 + 1)  # after what the path has seen
    agents = Agents(connection, clock=lambda: 1.8e9)
    told: list[tuple[str, str]] = []
    likeness = Likeness(
        quarantine,
        agents,
        VitalsLog(connection),
        lambda exchange, agent, life: told.append((agent.agent_id, life.agent_id)),
    )
    await control.begin()
    async with running_path(gates=(likeness.gate,), observers=(likeness.observe,)) as path:
        here = World(path, quarantine, agents, likeness)
        here.told = told
        yield here
    await connection.close()


async def test_a_new_one_with_its_prompt_and_tools_from_its_address_is_told_of(redis_url: str) -> None:
    async with world(redis_url) as here:
        ill = await here.send("ill")
        neighbour = await here.send("neighbour")
        await here.block(ill)
        again = await here.send("again")
        assert here.told == [(again.agent_id, ill.agent_id)]
        await here.send("neighbour")  # it was there before
        await here.send("other", ask("You are a nurse."))
        await here.send("tools", ask(tool="swim"))
        await here.send("bare", ask(None))
        assert len(here.told) == 1 and neighbour.agent_id != again.agent_id
        await here.send("again")
        assert len(here.told) == 2  # whoever tells says it once a minute
        assert not here.likeness._waiting


async def test_who_shows_no_credential_has_none_in_common_with_others_who_show_none(redis_url: str) -> None:
    async with world(redis_url) as here:
        ill = await here.send("ill", secret=False)
        await here.block(ill)
        assert here.quarantine.credentials == {}
        neighbour = await here.send("neighbour", ask("You are a nurse."), secret=False)
        assert neighbour.credential_id == ill.credential_id and here.told == []
        again = await here.send("again", secret=False)
        assert here.told == [(again.agent_id, ill.agent_id)]


async def test_one_that_gets_no_answer_does_not_exist(redis_url: str) -> None:
    async with world(redis_url) as here:
        await here.block(await here.send("ill"))
        await here.send("again", ask(model="stub-error-500"))
        assert not here.told and not here.likeness._waiting


async def test_once_it_is_released_nobody_is_like_it(redis_url: str) -> None:
    async with world(redis_url) as here:
        ill = await here.send("ill")
        await here.block(ill)
        await here.quarantine.release(ill.agent_id, "fine", "root")
        await here.send("again")
        await here.send("again")
        assert not here.told and not here.likeness._shapes


async def test_one_that_was_released_before_it_could_be_looked_at_is_not(redis_url: str) -> None:
    async with world(redis_url) as here:
        ill = await here.send("ill")
        await here.agents.flush()
        await here.quarantine.block(ill.agent_id, "ill", "root", credential_id=ill.credential_id)
        await here.quarantine.release(ill.agent_id, "fine", "root")
        await here.likeness.flush()
        assert not here.likeness._shapes


async def test_agents_with_a_proof_are_neither_compared_nor_remembered(redis_url: str) -> None:
    async with world(redis_url) as here:
        ill = await here.send("ill")
        seen = here.path.sightings.all[0]
        proven = replace(ill, agent_id="agt_proven", verified=True)
        here.agents.seen(proven, replace(seen.vitals, agent_id="agt_proven"), address="127.0.0.1", ok=True)
        await here.block(proven)
        assert not here.likeness._shapes
        await here.block(Agent("agt_unknown"))
        await here.block(ill)

        def prove(exchange: Any) -> None:
            exchange.agent = replace(exchange.agent, verified=True)

        admit = here.path.pipeline.admit
        admit._gates = (admit._gates[0], prove, *admit._gates[1:])  # type: ignore[attr-defined]
        await here.send("again")
        assert not here.told


async def test_without_redis_nothing_is_said(own_redis: RedisServer) -> None:
    async with world(own_redis.url) as here:
        ill, other = await here.send("ill"), await here.send("other", ask("You are a nurse."))
        await here.block(ill)
        await here.agents.flush()
        await here.quarantine.block(other.agent_id, "ill", "root", credential_id=other.credential_id)
        own_redis.kill()
        await here.send("again")
        assert not here.told
        with pytest.raises(StoreUnavailable):
            await here.likeness.flush()
        own_redis.start()
        running = asyncio.create_task(here.likeness.run())
        async with asyncio.timeout(20):
            while len(here.likeness._shapes) < 2:
                await asyncio.sleep(0.02)
        running.cancel()
