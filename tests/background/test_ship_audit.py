"""The copy in Redis has every record once, whatever happened to Redis or to the process."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.background.ship_audit import ShipAudit
from gateway.spool.audit import Audit
from gateway.store.audit_copy import AuditCopy
from gateway.store.audit_query import AuditQuery, Question
from gateway.store.connection import Connection
from tests.spool.keeping import NOW, audit_at, entry, keeping, until


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


async def pages(query: AuditQuery, question: Question, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page, cursor = await query.page(question, limit, cursor)
        found += page
        if cursor is None:
            return found


async def test_entries_of_all_chains_come_in_one_order_and_each_on_one_page(tmp_path: Path, copy: AuditCopy) -> None:
    async with keeping(audit_at(tmp_path / "a")) as a, keeping(audit_at(tmp_path / "b")) as b:
        for number in range(0, 60, 2):
            a.append(entry(number, agent_id="agt_even"))
            b.append(entry(number + 1, agent_id="agt_odd", allowed=False))
            await a.durable(f"{a.chain}/{a.size - 1}")
            await b.durable(f"{b.chain}/{b.size - 1}")
            for audit in (a, b):
                if number % 10 == 0:
                    await ShipAudit(audit, copy).ship()
        for audit in (a, b):
            await ShipAudit(audit, copy).ship()
        query = AuditQuery(copy)
        found = await pages(query, Question(), 7)
        assert len(found) == len({e["entry"] for e in found}) == 62
        assert [e["time"] for e in found] == sorted((e["time"] for e in found), reverse=True)
        assert len(await pages(query, Question(agent_id="agt_odd"), 100)) == 30
        assert len(await pages(query, Question(allowed=False, action="call:model"), 9)) == 30
        assert len(await pages(query, Question(action="start:gateway", source="gateway"), 9)) == 2
        some = await pages(query, Question(start=NOW + 10, end=NOW + 20), 3)
        assert [e["request_id"] for e in some] == [f"req_{n}" for n in range(19, 9, -1)]
        for wrong in ("x", "!", "YTpi"):
            with pytest.raises(ValueError, match="not a cursor"):
                await query.page(Question(), 1, wrong)


async def test_the_copy_lets_go_of_what_is_too_old(redis_url: str, tmp_path: Path) -> None:
    connection, now = Connection(redis_url, op_timeout=5), [NOW]
    copy = AuditCopy(connection, clock=lambda: now[0], life=100)
    async with keeping(audit_at(tmp_path)) as audit:
        ship = ShipAudit(audit, copy)
        for number in (0, 50, 200):
            await audit.durable(audit.append(entry(number)))
            await ship.ship()
        now[0] += 250
        await audit.durable(audit.append(entry(240)))
        await ship.ship()
        assert await numbers(copy, audit.chain) == [4, 3]
        now[0] += 1000
        await copy.forget()
        assert await copy.chains() == []
    await connection.close()
