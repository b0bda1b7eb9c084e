"""What a model proposed through the gateway is executed once, whoever asks where."""

import asyncio

import pytest

from gateway.store.call_digest import call_digest, call_digests
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.grants import LIFE_SECONDS, Grants
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


async def test_a_grant_lives_for_ten_minutes_and_taking_one_of_two_adds_nothing(connection: Connection) -> None:
    grants, key = Grants(connection), connection.keys.grant("agt_1", HERE)
    await grants.mint("agt_1", [HERE, HERE])
    await connection.execute("EXPIRE", key, 100)
    assert await grants.consume("agt_1", [HERE])
    assert 0 < await connection.execute("TTL", key) <= 100
    await grants.mint("agt_1", [HERE])
    assert 100 < await connection.execute("TTL", key) <= LIFE_SECONDS


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
