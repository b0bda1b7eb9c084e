"""What a model proposed through the gateway is executed once, whoever asks where."""

import asyncio
import time

import pytest

from gateway.store.call_digest import call_digest, call_digests
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.grants import LIFE_SECONDS, MOST, Grants
from tests.support.redis import RedisServer

HERE = call_digest("cloud", "restart:service", "h1")
ANYWHERE = call_digest(None, "restart:service", "h1")


async def test_a_grant_counts_once_for_its_agent_alone(connection: Connection) -> None:
    grants = Grants(connection)
    await grants.mint("agt_1", [HERE])
    assert not await grants.consume("agt_2", [HERE, ANYWHERE])
    assert not await grants.consume("agt_1", [call_digest("cloud", "restart:service", "h2")])
    assert await grants.consume("agt_1", [HERE, ANYWHERE])
    assert not await grants.consume("agt_1", [HERE, ANYWHERE])


async def test_two_equal_calls_are_two_grants(connection: Connection) -> None:
    grants = Grants(connection)
    await grants.mint("agt_1", [HERE, HERE])
    assert [await grants.consume("agt_1", [HERE]) for _ in range(3)] == [True, True, False]


async def test_a_call_that_was_proposed_without_a_server_is_granted_on_any_once(connection: Connection) -> None:
    grants = Grants(connection)
    await grants.mint("agt_1", [ANYWHERE])
    assert await grants.consume("agt_1", call_digests("cloud", "restart:service", "h1"))
    assert not await grants.consume("agt_1", call_digests("other", "restart:service", "h1"))


async def test_the_most_exact_grant_is_taken_first(connection: Connection) -> None:
    grants = Grants(connection)
    await grants.mint("agt_1", [ANYWHERE, HERE])
    assert await grants.consume("agt_1", call_digests("cloud", "restart:service", "h1"))
    assert await grants.consume("agt_1", [ANYWHERE])
    assert not await grants.consume("agt_1", [HERE])


async def test_of_a_thousand_who_execute_at_once_as_many_as_were_granted_may(redis_url: str) -> None:
    one, other = (Connection(redis_url, op_timeout=20) for _ in range(2))
    await Grants(one).mint("agt_1", [HERE] * 3)
    tried = [Grants(one if at % 2 else other).consume("agt_1", [HERE, ANYWHERE]) for at in range(1000)]
    assert sum(await asyncio.gather(*tried)) == 3
    await one.close()
    await other.close()


async def test_a_new_proposal_does_not_prolong_what_was_granted_before(connection: Connection) -> None:
    grants, key = Grants(connection), connection.keys.grant("agt_1", HERE)
    long_ago = (time.time() - LIFE_SECONDS) * 1000
    for left, member in ((-1000, "over"), (30_000, "nearly over")):
        await connection.execute("ZADD", key, f"{long_ago + left:.0f}", member)
    await grants.mint("agt_1", [HERE])
    assert 0 < await connection.execute("TTL", key) <= LIFE_SECONDS
    assert [await grants.any("agt_1", [HERE]), await grants.consume("agt_1", [HERE])] == [True, True]
    (newest,) = await connection.execute("ZRANGE", key, 0, -1)
    assert newest not in (b"over", b"nearly over")  # the oldest that is good goes first
    assert [await grants.consume("agt_1", [HERE]), await grants.any("agt_1", [HERE])] == [True, False]


async def test_however_often_a_call_is_proposed_so_many_grants_are_kept(connection: Connection) -> None:
    grants, key = Grants(connection), connection.keys.grant("agt_1", HERE)
    for _ in range(3):
        await grants.mint("agt_1", [HERE] * 50)
    assert await connection.execute("ZCARD", key) == MOST


async def test_what_was_granted_before_its_agent_was_quarantined_is_not_after(connection: Connection) -> None:
    blocked: dict[str, float] = {}
    grants = Grants(connection, before=lambda agent_id: blocked.get(agent_id, 0.0))
    for agent_id in ("agt_1", "agt_2"):
        await grants.mint(agent_id, [HERE])
    blocked["agt_1"] = time.time() + 1
    assert not await grants.hand_over("agt_1", [HERE], "cal_1", seconds=60)
    assert not await grants.any("agt_1", [HERE]) and not await grants.consume("agt_1", [HERE])
    assert await grants.consume("agt_2", [HERE])
    blocked["agt_1"] = time.time() - 1
    await grants.mint("agt_1", [HERE])
    assert await grants.consume("agt_1", [HERE])


async def test_a_call_is_handed_over_with_all_its_grants_and_once(connection: Connection) -> None:
    grants = Grants(connection)
    await grants.mint("agt_1", [HERE])
    assert not await grants.hand_over("agt_1", [HERE, ANYWHERE], "cal_1", seconds=60)
    await grants.mint("agt_1", [ANYWHERE])
    assert [await grants.hand_over("agt_1", [HERE, ANYWHERE], "cal_1", seconds=60) for _ in range(2)] == [True, True]
    assert not await grants.hand_over("agt_1", [HERE, ANYWHERE], "cal_2", seconds=60)
    assert not await grants.any("agt_1", [HERE, ANYWHERE])


async def test_without_redis_nothing_is_granted(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=0.5)
    grants = Grants(connection)
    await grants.mint("agt_1", [HERE])
    await grants.mint("agt_1", [])
    own_redis.kill()
    with pytest.raises(StoreUnavailable):
        await grants.consume("agt_1", [HERE])
    with pytest.raises(StoreUnavailable):
        await grants.mint("agt_1", [HERE])
    await connection.close()


async def test_what_is_done_once_is_never_done_for_what_began_before_a_quarantine(connection: Connection) -> None:
    grants = Grants(connection, before=lambda agent_id: 100.0)
    assert not await grants.once("agt_1", "round/1", since=100.0, seconds=60)
    assert await grants.once("agt_1", "round/1", since=100.5, seconds=60)
    assert not await grants.once("agt_1", "round/1", since=100.5, seconds=60)
