"""How often an agent may ask, with a real Redis and without."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import pytest

from gateway.edge.admin.problems import Problem
from gateway.edge.agents_api.pace import Pace
from gateway.model.agent import Agent
from gateway.store.connection import Connection
from gateway.store.limits import Limits
from tests.support.redis import RedisServer

ONE, OTHER = Agent("agt_one", True), Agent("agt_other", True)
_numbers = count()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """Patient, because the machine may be busy."""
    connection = Connection(url, op_timeout=5)
    try:
        yield connection
    finally:
        await connection.close()


def pace(limits: Limits, **how: object) -> Pace:
    return Pace(limits, "logs", 3, clock=lambda: 1000.0, new_id=lambda: f"one-{next(_numbers)}", **how)  # type: ignore[arg-type]


async def refused(asking: Pace, agent: Agent) -> Problem:
    with pytest.raises(Problem) as caught:
        await asking(agent)
    return caught.value


async def test_all_replicas_count_together_and_each_agent_for_itself(redis_url: str) -> None:
    async with connected(redis_url) as store:
        replicas = [pace(Limits(store, clock=lambda: 1000.0)) for _ in range(2)]
        for number in range(3):
            await replicas[number % 2](ONE)
        problem = await refused(replicas[1], ONE)
        assert problem.status == 429 and 0 < (problem.retry_after or 0) <= 60
        assert "logs_per_minute" in problem.detail
        await replicas[0](OTHER)


async def test_what_was_counted_is_settled_so_that_nothing_stays_behind(redis_url: str) -> None:
    async with connected(redis_url) as store:
        limits = Limits(store, clock=lambda: 1000.0)
        await pace(limits)(ONE)
        assert limits.queued == 1
        assert await limits.flush()


async def test_without_redis_each_process_lets_its_share_pass(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as store:
        own_redis.kill()
        asking = pace(Limits(store, clock=lambda: 1000.0), replicas=lambda: 3)
        await asking(ONE)
        assert (await refused(asking, ONE)).status == 429
        await asking(OTHER)
