from collections.abc import AsyncIterator

import pytest

from gateway.store.connection import Connection
from gateway.store.errors import EvictionEnabled, SchemaMismatch, StoreUnavailable
from gateway.store.schema import SCHEMA, prepare
from tests.support.redis import RedisServer
from tests.support.redis_sets import ClusterSet


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[Connection]:
    connection = Connection(redis_url, prefix="test:", op_timeout=5)
    yield connection
    await connection.close()


async def test_an_empty_redis_gets_our_number(connection: Connection) -> None:
    first = await prepare(connection)
    assert (first.schema, first.created, first.warnings) == (SCHEMA, True, ())
    assert await connection.execute("GET", "test:schema") == str(SCHEMA).encode()
    assert not (await prepare(connection)).created


async def test_data_of_a_newer_version_are_refused_and_not_touched(connection: Connection) -> None:
    await connection.execute("SET", "test:schema", SCHEMA + 1)
    with pytest.raises(SchemaMismatch, match=f"schema {SCHEMA + 1}, this version knows {SCHEMA}"):
        await prepare(connection)
    assert await connection.execute("GET", "test:schema") == str(SCHEMA + 1).encode()


@pytest.mark.parametrize("number", [b"", b"one", b"-1", b"1.0", b"\xff", b"9" * 30])
async def test_a_number_that_is_none_is_refused(connection: Connection, number: bytes) -> None:
    await connection.execute("SET", "test:schema", number)
    with pytest.raises(SchemaMismatch, match="test:schema"):
        await prepare(connection)


async def test_older_data_are_brought_up_step_by_step(connection: Connection) -> None:
    async def to_two(connection: Connection) -> None:
        await connection.execute("APPEND", "test:steps", "2")

    async def to_three(connection: Connection) -> None:
        await connection.execute("APPEND", "test:steps", "3")

    await prepare(connection, schema=1)
    done = await prepare(connection, schema=3, migrations={1: to_two, 2: to_three})
    assert (done.schema, done.created) == (1, False)
    assert await connection.execute("MGET", "test:steps", "test:schema") == [b"23", b"3"]


async def test_older_data_without_a_way_up_are_refused(connection: Connection) -> None:
    await prepare(connection, schema=1)
    with pytest.raises(SchemaMismatch, match="no way leads from 1 to 2"):
        await prepare(connection, schema=2, migrations={})


async def test_one_node_of_a_cluster_that_evicts_is_enough_to_refuse(own_cluster: ClusterSet) -> None:
    connection = Connection(own_cluster.url, op_timeout=5)
    assert (await prepare(connection)).warnings == ()
    own_cluster.masters[2].redis.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(EvictionEnabled, match="allkeys-lru"):
        await prepare(connection)
    await connection.close()


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_redis_that_evicts_is_refused_by_name(own_redis: RedisServer, policy: str) -> None:
    own_redis.ask("CONFIG", "SET", "maxmemory-policy", policy)
    connection = Connection(own_redis.url, op_timeout=5)
    with pytest.raises(EvictionEnabled, match=policy):
        await prepare(connection)
    await connection.close()


async def test_a_policy_that_cannot_be_seen_is_a_warning(own_redis: RedisServer) -> None:
    own_redis.ask("ACL", "SETUSER", "leuko", "on", ">secret", "~*", "+@all", "-info")
    connection = Connection(own_redis.url.replace("unix://", "unix://leuko:secret@"), op_timeout=5)
    prepared = await prepare(connection)
    assert len(prepared.warnings) == 1
    assert "noeviction" in prepared.warnings[0]
    await connection.close()


async def test_without_redis_nothing_is_known() -> None:
    connection = Connection("unix:///tmp/leuko-there-is-nothing.sock")
    with pytest.raises(StoreUnavailable):
        await prepare(connection)
    await connection.close()
