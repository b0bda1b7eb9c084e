"""The copy in Redis has every record once, whatever happened to Redis or to the process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from gateway.background import ship_audit
from gateway.background.ship_audit import ShipAudit
from gateway.spool.audit import Audit
from gateway.spool.follow import Follower
from gateway.store.audit_copy import AuditCopy
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable
from tests.spool.keeping import NOW, audit_at, entry, keeping
from tests.support.waiting import until


@pytest.fixture
async def copy(redis_url: str) -> AsyncIterator[AuditCopy]:
    connection = Connection(redis_url, op_timeout=5)
    yield AuditCopy(connection, clock=lambda: NOW, life=3600)
    await connection.close()


async def numbers(copy: AuditCopy, chain: str) -> list[int]:
    return [record["seq"] async for record in copy.backwards(chain)]


async def fill(audit: Audit, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        audit.append(entry(number))
    await audit.durable(audit.append(entry(first + count)))


async def test_records_arrive_once_and_in_order(tmp_path: Path, copy: AuditCopy) -> None:
    async with keeping(audit_at(tmp_path, segment_bytes=5000)) as audit:
        ship = ShipAudit(audit, copy)
        await fill(audit, 600)
        await ship.ship()
        await ship.ship()
        await ShipAudit(audit, copy).ship()  # says it all again
        assert ship.shipped == audit.durable_size
        assert await numbers(copy, audit.chain) == list(range(ship.shipped))[::-1]
        first, hashes, records = await copy.leaves(audit.chain, 300)
        assert (first, len(hashes), len(records)) == (0, 300, 300)


async def test_only_what_is_safe_is_shipped(tmp_path: Path, copy: AuditCopy) -> None:
    audit = audit_at(tmp_path)
    audit.open()  # nothing makes records safe after the first
    audit.append(entry(1))
    await ShipAudit(audit, copy).ship()
    assert await numbers(copy, audit.chain) == [0]
    await audit.close()


async def test_a_redis_that_was_emptied_is_filled_again(tmp_path: Path, copy: AuditCopy) -> None:
    async with keeping(audit_at(tmp_path)) as audit:
        ship = ShipAudit(audit, copy)
        await fill(audit, 10)
        await ship.ship()
        await copy._connection.execute("FLUSHALL")
        await fill(audit, 10, 100)
        await ship.ship()
        await ship.ship()
        assert await numbers(copy, audit.chain) == list(range(audit.durable_size))[::-1]


@pytest.mark.parametrize("written", [True, False])
async def test_after_a_late_answer_shipping_goes_on_where_it_stood(
    tmp_path: Path, copy: AuditCopy, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    began: list[int] = []

    class Watched(Follower):
        def __init__(self, directory: Path, seq: int = 0) -> None:
            began.append(seq)
            super().__init__(directory, seq)

    async def late(chain: str, first: int, records: Sequence[bytes], earliest: int = 0) -> int:
        if written:
            await given(chain, first, records, earliest)
        raise StoreUnavailable("timeout")

    monkeypatch.setattr(ship_audit, "Follower", Watched)
    given = copy.ship
    async with keeping(audit_at(tmp_path)) as audit:
        ship = ShipAudit(audit, copy)
        await fill(audit, 20)
        await ship.ship()
        await fill(audit, 20, 100)
        with monkeypatch.context() as patch:
            patch.setattr(copy, "ship", late)
            with pytest.raises(StoreUnavailable):
                await ship.ship()
        await fill(audit, 20, 200)
        await ship.ship()
        assert await numbers(copy, audit.chain) == list(range(audit.durable_size))[::-1]
    assert began == [0]


async def test_what_a_killed_process_did_not_ship_its_successor_does(tmp_path: Path, copy: AuditCopy) -> None:
    async with keeping(audit_at(tmp_path)) as first:
        await fill(first, 30)
    async with keeping(audit_at(tmp_path)) as second:
        running = asyncio.create_task(ShipAudit(second, copy).run())
        await until(lambda: first.chain in [p.name for p in tmp_path.iterdir()])
        async with asyncio.timeout(10):
            while len(await numbers(copy, first.chain)) < 33 or not await numbers(copy, second.chain):
                await asyncio.sleep(0.01)
        running.cancel()
    assert {chain for chain, _ in await copy.chains()} == {first.chain, second.chain}


async def test_the_newest_checkpoint_is_known_and_one_that_contradicts_it_begins_another_chain(
    tmp_path: Path, copy: AuditCopy
) -> None:
    async with keeping(audit_at(tmp_path)) as audit:
        ship = ShipAudit(audit, copy)
        await fill(audit, 3)
        await until(lambda: audit.signed == audit.size)
        await ship.ship()
        (head,) = await copy.heads()
        assert (head.chain, head.size, head.note) == (audit.chain, audit.signed, audit.checkpoint)
        old = audit.chain
        assert await copy.publish(old, audit.signed + 100, b"\x01" * 32, "made by a copy of this machine")
        audit.append(entry(9))
        await until(lambda: audit.signed == audit.size)
        await ship.ship()
        assert audit.chain != old
        audit.append(entry(10))
        await until(lambda: audit.signed == audit.size)
        await ship.ship()
        assert {head.chain for head in await copy.heads()} == {old, audit.chain}
