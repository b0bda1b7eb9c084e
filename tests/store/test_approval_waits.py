"""Held answers, on a real Redis that goes away and loses messages."""

import asyncio
import time

from gateway.store.approval_waits import HELD_OF_AGENT, ApprovalWaits
from gateway.store.approvals import Approvals
from gateway.store.connection import Connection
from tests.store.test_approvals import call, replica
from tests.support.redis import RedisServer
from tests.support.waiting import until


async def test_an_agent_has_five_answers_held_on_all_replicas(redis_url: str) -> None:
    async with replica(redis_url) as one, replica(redis_url) as other:
        asked = [await one.ask(call(number)) for number in range(HELD_OF_AGENT + 1)]
        sides = (one, other) * 3
        waiting = [asyncio.create_task(sides[n].wait(asked[n].approval_id, 30)) for n in range(HELD_OF_AGENT)]
        held = one._connection.keys.answers_held("agt_1")

        async def count() -> int:
            return int(await one._connection.execute("ZCARD", held))

        async with asyncio.timeout(10):
            while await count() < HELD_OF_AGENT:
                await asyncio.sleep(0.01)
        assert await other.wait(asked[-1].approval_id, 30) == "pending"
        stranger = await one.ask(call(0, agent="agt_2"))
        assert await one.wait(stranger.approval_id, 0.05) == "pending"
        await one.decide([approval.approval_id for approval in asked], "approved", by="root")
        assert await asyncio.gather(*waiting) == ["approved"] * HELD_OF_AGENT
        assert await count() == 0


async def test_a_decision_nobody_announced_is_found(redis_url: str, connection: Connection) -> None:
    """Messages may be lost: then Redis is asked."""
    deaf = Approvals(connection, clock=time.time)
    asked = await deaf.ask(call())
    waits = ApprovalWaits(connection)
    running = asyncio.create_task(waits.run())
    waiting = asyncio.create_task(waits.wait(asked.approval_id, 30, deaf.get))
    await until(lambda: waits.waiting == 1)
    await connection.execute("HSET", connection.keys.approval(asked.approval_id), "status", "approved")
    await connection.execute("DEL", connection.keys.approvals_pending)
    assert await waiting == "approved"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_waiting_outlives_a_redis_that_is_away(own_redis: RedisServer) -> None:
    async with replica(own_redis.url) as one:
        one._connection._duty = watching = asyncio.create_task(one._connection.watch())  # type: ignore[attr-defined]
        asked = await one.ask(call())
        waiting = asyncio.create_task(one.wait(asked.approval_id, 30))
        await until(lambda: one.waits.waiting == 1)
        await asyncio.sleep(0.1)
        await asyncio.to_thread(own_redis.restart)
        await until(lambda: one._connection.healthy)
        async with replica(own_redis.url) as other:
            await other.decide([asked.approval_id], "approved", by="root")
        assert await waiting == "approved"
        assert await one.take("agt_1", "h0", "restart_service") is not None
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
