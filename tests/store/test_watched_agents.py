from dataclasses import replace

import pytest

from gateway.immune.record import new_record
from gateway.model.lifecycle import Life
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from gateway.store.watched_agents import WatchedAgents
from tests.store.test_watch_partitions import AGENT, ALL, PLACE, of_place, replica, tell, work
from tests.support.redis import RedisServer


async def test_what_the_owner_saved_is_read_on_any_replica(connection: Connection) -> None:
    owner, reader, ids = replica(connection, "one"), WatchedAgents(connection), of_place(3)
    await owner.hold(1)
    records = [replace(new_record(agent_id, 7.0), life=Life(agent_id, "HEALTHY", since=3.0)) for agent_id in ids]
    records[0].state.calls = 5
    assert await owner.save(PLACE, None, records, {})
    assert await reader.record(ids[0]) == records[0]
    assert await reader.summaries([*ids, *ids, "agt_none"]) == {record.agent_id: record.summary for record in records}
    assert await reader.record("agt_none") is None and await reader.summaries([]) == {}


async def test_what_another_version_wrote_is_as_good_as_nothing(connection: Connection) -> None:
    reader, key = WatchedAgents(connection), connection.keys.watched(AGENT)
    await connection.execute("HSET", key, "s", '{"format": 99}', "t", '{"more": 1}')
    assert await reader.record(AGENT) is None and await reader.summaries([AGENT]) == {}


async def test_an_agent_that_is_forgotten_stays_forgotten(connection: Connection) -> None:
    """Also where its owner was about to save it."""
    owner, reader = replica(connection, "one"), WatchedAgents(connection)
    keys = connection.keys
    await owner.hold(1)
    record = replace(new_record(AGENT, 7.0), life=Life(AGENT, "SUSPECTED"))
    assert await owner.save(PLACE, None, [record], {})
    await connection.execute("ZADD", keys.prompts(AGENT), 1, "h")
    await connection.execute("SET", keys.prompt(AGENT, "h"), "text")
    await tell(connection, "a", agent_id=of_place(2)[1])
    await reader.forget(AGENT)
    assert await reader.record(AGENT) is None and await owner.busy(PLACE) == []
    assert not await connection.execute("EXISTS", keys.prompts(AGENT), keys.prompt(AGENT, "h"))
    assert not await owner.save(PLACE, None, [record], {})
    assert await owner.hold(1) == ALL
    assert len(await owner.read(PLACE)) == 1 and await work(owner)
    await reader.forget("agt_none")


async def test_without_redis_it_says_so(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=0.5)
    reader = WatchedAgents(connection)
    own_redis.kill()
    for asked in (reader.record(AGENT), reader.summaries([AGENT]), reader.forget(AGENT)):
        with pytest.raises(StoreUnavailable):
            await asked
    await connection.close()
