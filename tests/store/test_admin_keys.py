"""Admin keys in Redis."""

import secrets

import pytest

from gateway.store.admin_keys import MOST, AdminKeys, TooManyKeys
from gateway.store.connection import Connection


def keys_of(connection: Connection, root: bytes = b"root", now: float = 100.0) -> AdminKeys:
    return AdminKeys(connection, root, clock=lambda: now, choose=secrets.choice)


async def test_a_key_is_found_by_what_was_shown_and_by_its_id(connection: Connection) -> None:
    keys = keys_of(connection)
    made, shown = await keys.make("viewer", None, None)
    assert await keys.find(shown) == await keys.get(made.key_id) == made
    assert await keys.all() == [made]
    assert await keys.find(shown[:-1] + ("a" if shown[-1] != "a" else "b")) is None
    assert await keys_of(connection, b"another root").find(shown) is None
    assert [await keys.drop(made.key_id), await keys.drop(made.key_id)] == [True, False]
    assert await keys.find(shown) is None


async def test_an_expired_key_opens_nothing(connection: Connection) -> None:
    made, shown = await keys_of(connection).make("viewer", "x", 200.0)
    assert await keys_of(connection, now=199.0).find(shown) == made
    late = keys_of(connection, now=200.0)
    assert (await late.find(shown), await late.get(made.key_id)) == (None, None)


async def test_redis_never_has_the_key(connection: Connection) -> None:
    _, shown = await keys_of(connection).make("admin", None, None)
    stored = await connection.execute("HGETALL", connection.keys.admin_keys)
    assert shown.split("_")[2].encode() not in b"".join(stored)


async def test_there_is_an_end_to_making_keys(connection: Connection) -> None:
    fill = [part for n in range(MOST) for part in (f"adk_{n}", "{}")]
    await connection.execute("HSET", connection.keys.admin_keys, *fill)
    with pytest.raises(TooManyKeys):
        await keys_of(connection).make("viewer", None, None)
