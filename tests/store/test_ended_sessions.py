"""Sessions of the page that ended before their time."""

import pytest

from gateway.store.connection import Connection
from gateway.store.ended_sessions import EndedSessions
from gateway.store.errors import StoreUnavailable

HOUR = 3600.0


async def test_one_that_was_ended_is_known_as_such_on_every_replica(connection: Connection) -> None:
    here, there = (EndedSessions(connection, keep_seconds=HOUR) for _ in range(2))
    assert not await there.has("adk_1", "one", "")
    await here.end("one")
    assert await there.has("adk_1", "one", "")
    assert not await there.has("adk_1", "other", "")


async def test_a_new_generation_ends_all_of_the_key(connection: Connection) -> None:
    ended = EndedSessions(connection, keep_seconds=HOUR)
    assert await ended.generation("adk_1") == ""
    await ended.end_all("adk_1", "g1")
    assert await ended.generation("adk_1") == "g1"
    assert await ended.has("adk_1", "one", "") and await ended.has("adk_1", "one", "g0")
    assert not await ended.has("adk_1", "one", "g1") and not await ended.has("adk_2", "one", "")


async def test_nothing_is_kept_longer_than_a_session_could_last(connection: Connection) -> None:
    ended = EndedSessions(connection, keep_seconds=HOUR)
    await ended.end("one")
    await ended.end_all("adk_1", "g1")
    for key in (connection.keys.ended_session("one"), connection.keys.session_generation("adk_1")):
        assert HOUR - 60 < await connection.execute("TTL", key) <= HOUR


async def test_without_redis_it_cannot_be_said() -> None:
    nowhere = Connection("redis://127.0.0.1:1")
    with pytest.raises(StoreUnavailable):
        await EndedSessions(nowhere, keep_seconds=HOUR).has("adk_1", "one", "")
    await nowhere.close()
