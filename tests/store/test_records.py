"""What operators define, in Redis."""

from collections.abc import AsyncIterator

import pytest

from gateway.store.connection import Connection
from gateway.store.records import Records


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[Connection]:
    connection = Connection(redis_url, op_timeout=5)
    yield connection
    await connection.close()


async def test_records_are_written_read_and_deleted(connection: Connection) -> None:
    records = Records(connection, "routes", most=2)
    assert await records.version() == 0
    assert await records.put("b", {"n": 1}) == "made"
    assert await records.put("b", {"n": 2}) == "replaced"
    assert await records.put("b", {"n": 3}, fresh=True) == "exists"
    assert await records.put("a", {}) == "made"
    assert await records.put("c", {}) == "full"
    assert await records.all() == {"a": {}, "b": {"n": 2}} and list(await records.all()) == ["a", "b"]
    assert (await records.get("b"), await records.get("c")) == ({"n": 2}, None)
    assert [await records.drop("b"), await records.drop("b")] == [True, False]
    assert await records.version() == 4


async def test_many_are_read_in_pages(connection: Connection) -> None:
    records = Records(connection, "routes", most=2000)
    for number in range(1200):
        await records.put(f"agt_{number}", {})
    assert len(await records.all()) == 1200


async def test_every_kind_is_a_list_of_its_own_with_one_version_over_all(connection: Connection) -> None:
    providers, routes = Records(connection, "providers", most=5), Records(connection, "routes", most=5)
    await providers.put("one", {})
    assert await routes.all() == {} and await routes.version() == 1
