"""The duties together: one key, a record that is opened, shipped, trimmed, verified and closed."""

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.background.keep_audit import KeepAudit
from gateway.spool.check import Report, verify_all
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnfit
from tests.spool.keeping import NOW, audit_at, entry
from tests.support.waiting import until


def keeper(root: Path, connection: Connection, **options: Any) -> KeepAudit:
    given: dict[str, Any] = {"clock": lambda: NOW, "life": 100.0} | options
    return KeepAudit(
        audit_at(root), connection, deployment="leuko", root=b"root-secret-0123456", random_bytes=os.urandom, **given
    )


async def test_a_record_is_kept_shipped_verified_and_closed(tmp_path: Path, redis_url: str) -> None:
    connection = Connection(redis_url, op_timeout=5)
    keep = keeper(tmp_path, connection)
    assert keep.public_key == "" or keep.audit.signer is not None
    await keep.begin()
    running = asyncio.create_task(keep.run())
    name = keep.audit.append(entry(1))
    await until(lambda: keep.ship.shipped == 2 and keep.audit.signed == 2)
    assert (await keep.verify()).sound
    assert (await keep.prove(keep.audit.chain, 1)).index == 1
    assert name == f"{keep.audit.chain}/1"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await keep.end()
    assert keep.ship.shipped == keep.audit.size == 3
    later = keeper(tmp_path, connection, clock=lambda: NOW + 10_000)
    await later.begin()
    assert later.public_key == keep.public_key
    running = asyncio.create_task(later.run())
    assert await later.trim() == 3
    assert (await later.verify()).sound
    chain = later.audit.directory
    chain.rename(tmp_path / "elsewhere")
    assert (await later.verify()).missing == [chain.name]
    (tmp_path / "elsewhere").rename(chain)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await later.end()
    await connection.close()


async def test_many_who_want_the_record_checked_have_it_checked_once(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take no thread from others."""
    begun, go_on = threading.Semaphore(0), threading.Event()

    def slow(*given: Any, **more: Any) -> Report:
        begun.release()
        assert go_on.wait(20)
        return verify_all(*given, **more)

    monkeypatch.setattr("gateway.background.keep_audit.verify_all", slow)
    connection = Connection(redis_url, op_timeout=5)
    keep = keeper(tmp_path, connection)
    await keep.begin()
    asked = [asyncio.create_task(keep.verify()) for _ in range(50)]
    await asyncio.to_thread(begun.acquire)
    assert await asyncio.gather(*(asyncio.to_thread(int, "7") for _ in range(50))) == [7] * 50
    go_on.set()
    reports = await asyncio.gather(*asked)
    assert all(one is reports[0] for one in reports) and not begun.acquire(blocking=False)
    assert await keep.verify() is not reports[0]
    await keep.end()
    await connection.close()


async def test_who_gave_up_waiting_is_told_the_next_time(tmp_path: Path, redis_url: str) -> None:
    connection = Connection(redis_url, op_timeout=5)
    keep = keeper(tmp_path, connection)
    await keep.begin()
    given_up = asyncio.create_task(keep.verify())
    await asyncio.sleep(0)  # it has begun
    given_up.cancel()
    assert keep._verifying is not None
    await asyncio.wait([keep._verifying])
    under_way = keep._verifying
    assert await keep.verify() is under_way.result()
    assert await keep.verify() is not under_way.result()
    await keep.end()
    await connection.close()


async def test_what_cannot_be_used_stops_the_start(tmp_path: Path, redis_url: str) -> None:
    connection = Connection(redis_url, op_timeout=5)
    (tmp_path / "file").write_text("not a key")
    with pytest.raises(StoreUnfit, match="GATEWAY_SIGNING_KEY_FILE"):
        await keeper(tmp_path / "a", connection, key_file=tmp_path / "file").begin()
    with pytest.raises(StoreUnfit, match="GATEWAY_DATA_DIR"):
        await keeper(tmp_path / "file", connection).begin()
    await connection.close()


async def test_a_redis_that_comes_back_empty_gets_the_key_again(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.background.keep_audit._KEY_SECONDS", 0.01)
    connection = Connection(redis_url, op_timeout=5)
    keep = keeper(tmp_path, connection)
    await keep.begin()
    running = asyncio.create_task(keep.run())
    await connection.execute("DEL", connection.keys.signing_key)

    async def there() -> bool:
        return await connection.execute("EXISTS", connection.keys.signing_key) == 1

    async with asyncio.timeout(20):
        while not await there():
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await keep.end()
    later = keeper(tmp_path, connection)
    await later.begin()
    assert later.public_key == keep.public_key
    assert (await later.verify()).sound
    await later.end()
    await connection.close()


async def test_the_public_key_of_before_is_kept_beside_the_new_one(tmp_path: Path, redis_url: str) -> None:
    connection = Connection(redis_url, op_timeout=5)
    keys = []
    for _ in range(2):
        keep = keeper(tmp_path, connection)
        await keep.begin()
        keys.append(keep.public_key)
        await keep.end()
        await connection.execute("DEL", connection.keys.signing_key)
    assert keys[0] != keys[1]
    older = keys[0].split("+")[1]
    assert (tmp_path / f"public_key.{older}").read_text() == keys[0] + "\n"
    assert (tmp_path / "public_key").read_text() == keys[1] + "\n"
    await connection.close()
