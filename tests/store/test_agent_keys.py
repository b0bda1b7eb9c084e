"""Agents' keys, on a real Redis."""

import random
from collections.abc import AsyncIterator

import pytest

from gateway.identity.issued_key import issued_key_id
from gateway.store.agent_keys import MOST, AgentKeys, TooManyKeys
from gateway.store.connection import Connection
from tests.support.redis import RedisServer

NOW = 1_900_000_000.0


@pytest.fixture
async def keys(redis_url: str) -> AsyncIterator[AgentKeys]:
    connection = Connection(redis_url, op_timeout=5)
    yield AgentKeys(connection, b"a deployment's root", clock=lambda: NOW, choose=random.Random(1).choice)
    await connection.close()


async def test_a_key_is_found_by_its_digest_alone_and_stored_nowhere(
    keys: AgentKeys, shared_redis: RedisServer
) -> None:
    made, shown = await keys.make("agt_1")
    assert issued_key_id(shown, "agk") == made.key_id
    assert await keys.find(keys.digest(shown)) == made
    for key in ("leuko:agent_keys:{agt_1}", f"leuko:agent_key:{{{keys.digest(shown)}}}"):
        stored = shared_redis.ask("HGETALL", key)
        assert made.key_id.encode() in stored and shown.encode()[13:] not in stored


async def test_an_agent_has_several_keys_and_each_ends_by_itself(keys: AgentKeys) -> None:
    (first, one), (second, two) = await keys.make("agt_1"), await keys.make("agt_1")
    assert {key.key_id for key in await keys.all("agt_1")} == {first.key_id, second.key_id}
    assert await keys.end("agt_1", first.key_id) == first
    assert await keys.find(keys.digest(one)) is None
    assert await keys.find(keys.digest(two)) == second
    assert await keys.all("agt_1") == [second]
    assert await keys.end("agt_1", first.key_id) is None


async def test_a_key_is_ended_only_as_one_of_its_own_agent(keys: AgentKeys) -> None:
    made, shown = await keys.make("agt_1")
    assert await keys.end("agt_2", made.key_id) is None
    assert await keys.find(keys.digest(shown)) == made


async def test_a_key_that_is_replaced_lives_on_for_a_while_but_never_longer_than_before(keys: AgentKeys) -> None:
    made, shown = await keys.make("agt_1", NOW + 100)
    for at, ends in ((NOW + 10, NOW + 10), (NOW + 50, NOW + 10)):
        assert (ended := await keys.end("agt_1", made.key_id, at)) is not None
        assert ended.expires_at == ends
    found = await keys.find(keys.digest(shown))
    assert found is not None and found.expires_at == NOW + 10


async def test_what_has_expired_makes_room(redis_url: str) -> None:
    connection, now = Connection(redis_url, op_timeout=5), [NOW]
    keys = AgentKeys(connection, b"root", clock=lambda: now[0], choose=random.Random(2).choice)
    for _ in range(MOST):
        await keys.make("agt_1", NOW + 1)
    with pytest.raises(TooManyKeys):
        await keys.make("agt_1")
    now[0] += 1
    made, _ = await keys.make("agt_1")
    assert await keys.all("agt_1") == [made]
    await connection.close()
