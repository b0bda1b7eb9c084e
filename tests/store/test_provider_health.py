"""How providers do, as several workers see it."""

from typing import Any

from gateway.store.connection import Connection
from gateway.store.provider_health import Circuit, Health, ProviderHealth


def numbers(calls: int, failed: int, latency_ms: float | None) -> dict[str, Any]:
    return {"calls": calls, "failed": failed, "limited": 1, "latency_ms": latency_ms, "first_byte_ms": None}


async def test_what_workers_see_is_put_together(connection: Connection) -> None:
    one = ProviderHealth(connection, lambda: ({"a": numbers(30, 3, 100.0)}, [("a", "m", "ramping", 0.0)]), worker="1")
    other = ProviderHealth(
        connection, lambda: ({"a": numbers(10, 9, 500.0)}, [("a", "m", "open", 21.5), ("b", "\ud800", "open", 1.0)]),
        worker="2",
    )  # fmt: skip
    assert await other.read() == {}
    await one.tell()
    await other.tell()
    found = await one.read()
    assert found["a"] == Health(40, 12, 2, 200.0, None, (Circuit("m", "open", 21.5, 2),))
    assert found["b"].calls == 0 and found["b"].circuits[0].model == "?"


async def test_a_worker_that_sees_nothing_any_more_says_nothing(connection: Connection) -> None:
    seen: list[Any] = [({"a": numbers(1, 0, 1.0)}, [])]
    one = ProviderHealth(connection, lambda: seen[-1], worker="1")
    seen.append(({}, []))
    await one.tell()
    assert await connection.execute("EXISTS", connection.keys.provider_health) == 0
    seen.pop()
    await one.tell()
    assert list(await one.read()) == ["a"]
    seen.append(({}, []))
    await one.tell()
    assert await one.read() == {}


async def test_who_is_gone_counts_no_more(connection: Connection) -> None:
    key = connection.keys.provider_health
    await connection.execute("HSET", key, "gone", b'1 [{"a":{}},[]]')
    one = ProviderHealth(connection, lambda: ({"b": numbers(1, 0, 1.0)}, []), worker="1")
    assert await one.read() == {}
    await one.tell()
    assert list(await one.read()) == ["b"]
    assert await connection.execute("HLEN", key) == 1
    assert 0 < await connection.execute("PTTL", key) <= 15_000
