"""How many ids a credential has, on a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.identity.fingerprint import Fingerprinter
from gateway.model.agent import Agent
from gateway.model.vitals import Vitals
from gateway.store.connection import Connection
from gateway.store.credentials import MOST_IDS, Credentials
from tests.support.redis import RedisServer

NAMES = Fingerprinter(b"a deployment's root secret")


def agent(number: int, credential: bytes = b"sk-1") -> Agent:
    return NAMES.agent(credential, {b"x-agent-id": b"%d" % number})


def vitals(agent: Agent) -> Vitals:
    return Vitals(agent.agent_id, "req_1", 1.0, None, None, None, False, 200, 1.0)


class Replica:
    """One process's knowledge, and what it handed on."""

    def __init__(self, url: str) -> None:
        self.now = 0.0
        self.noted: list[tuple[str, str, bool]] = []
        self.begun: list[str] = []
        self.connection = Connection(url, op_timeout=5)
        self.credentials = Credentials(
            self.connection,
            self._note,
            NAMES.shared,
            clock=lambda: self.now,
            keep_seconds=1000,
            begun=lambda agent, **rest: self.begun.append(agent.agent_id),
        )

    def _note(self, agent: Agent, vitals: Vitals, **rest: Any) -> None:
        self.noted.append((agent.agent_id, vitals.agent_id, rest["ok"]))

    async def call(self, agent: Agent, *, ok: bool = True) -> str:
        """One exchange of this agent; the id it had."""
        settled = await self.credentials.settle(agent)
        self.credentials.seen(settled, vitals(settled), ok=ok, client=None)
        return settled.agent_id


@pytest.fixture
async def replicas(redis_url: str) -> AsyncIterator[tuple[Replica, Replica]]:
    both = Replica(redis_url), Replica(redis_url)
    yield both
    for one in both:
        await one.connection.close()


async def test_the_first_fifty_have_their_own_id_and_all_others_share_one(replicas: tuple[Replica, Replica]) -> None:
    here, there = replicas
    own = [await here.call(agent(number)) for number in range(MOST_IDS)]
    assert own == [agent(number).agent_id for number in range(MOST_IDS)]
    assert await here.credentials.flush()
    shared = NAMES.shared(agent(0))
    assert {await one.call(agent(number)) for one in replicas for number in (100, 101, 102)} == {shared}
    assert await there.call(agent(7)) == own[7]
    assert await there.call(agent(100, b"sk-2")) == agent(100, b"sk-2").agent_id


async def test_a_rush_of_ids_gets_no_more_than_there_are(replicas: tuple[Replica, Replica]) -> None:
    ids = await asyncio.gather(*(one.call(agent(number)) for one in replicas for number in range(200)))
    for one in replicas:
        await one.credentials.flush()
    stored = {agent_id for one in replicas for agent_id, _, _ in one.noted}
    assert len(stored) <= MOST_IDS + 1
    assert NAMES.shared(agent(0)) in ids
    assert all(agent_id == of for one in replicas for agent_id, of, _ in one.noted)


async def test_what_never_worked_is_stored_nowhere_and_takes_no_room(replicas: tuple[Replica, Replica]) -> None:
    here, _ = replicas
    for number in range(3 * MOST_IDS):
        assert await here.call(agent(number), ok=False) == agent(number).agent_id
    assert await here.credentials.flush()
    key = here.connection.keys.credential(agent(0).credential_id)
    assert not await here.connection.execute("EXISTS", key)
    assert not any(ok for _, _, ok in here.noted)


async def test_what_fails_while_its_agent_is_being_entered_counts_after_what_worked(
    replicas: tuple[Replica, Replica],
) -> None:
    here, _ = replicas
    one = agent(1)
    for ok in (True, False):
        await here.call(one, ok=ok)
    assert here.noted == []
    assert await here.credentials.flush()
    assert here.noted == [(one.agent_id, one.agent_id, True), (one.agent_id, one.agent_id, False)]
    await here.call(one, ok=False)
    assert len(here.noted) == 3


async def test_an_agent_begins_to_exist_under_the_id_that_it_will_be_counted_as(
    replicas: tuple[Replica, Replica],
) -> None:
    here, there = replicas
    for number in range(MOST_IDS):
        await there.call(agent(number))
    await there.credentials.flush()
    for one in (agent(0), agent(100)):
        here.credentials.begun(one, time=1.0)
    assert here.begun == []
    assert await here.credentials.flush()
    assert here.begun == [agent(0).agent_id, NAMES.shared(agent(0))]
    here.credentials.begun(agent(0), time=1.0)
    assert here.begun[-1] == agent(0).agent_id and here.noted == []


async def test_without_redis_this_process_counts_alone(own_redis: RedisServer) -> None:
    replica = Replica(own_redis.url)
    known = await replica.call(agent(0))
    assert await replica.credentials.flush()
    own_redis.kill()
    ids = [await replica.call(agent(number)) for number in range(1, 100)]
    assert len(set(ids)) == MOST_IDS + 1
    assert not await replica.credentials.flush()
    assert len(replica.noted) >= 1 and replica.noted[0][0] == known
    own_redis.start()
    async with asyncio.timeout(10):
        while not await replica.credentials.flush():
            await asyncio.sleep(0.05)
    assert len(replica.noted) == 100
    await replica.connection.close()


async def test_what_is_on_its_way_when_the_process_ends_is_handed_on(replicas: tuple[Replica, Replica]) -> None:
    here, _ = replicas
    assert await here.credentials.flush()  # the link is open
    running = asyncio.create_task(here.credentials.run())
    await here.call(agent(1))
    await here.connection.execute("CLIENT", "PAUSE", 200)
    await asyncio.sleep(0.05)  # the id is on its way, and Redis does not say so yet
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert here.noted == [(agent(1).agent_id, agent(1).agent_id, True)]
