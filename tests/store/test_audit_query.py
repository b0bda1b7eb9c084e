"""Entries of all chains in one order, by what is asked for, page by page."""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.background.ship_audit import ShipAudit
from gateway.store.audit_copy import AuditCopy
from gateway.store.audit_query import AuditFilter, AuditQuery
from gateway.store.connection import Connection
from tests.spool.keeping import NOW, audit_at, entry, keeping


@pytest.fixture
async def copy(redis_url: str) -> AsyncIterator[AuditCopy]:
    connection = Connection(redis_url, op_timeout=5)
    yield AuditCopy(connection, clock=lambda: NOW, life=3600)
    await connection.close()


async def pages(query: AuditQuery, wanted: AuditFilter, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page, cursor = await query.page(wanted, limit, cursor)
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
        found = await pages(query, AuditFilter(), 7)
        assert len(found) == len({e["entry"] for e in found}) == 62
        assert [e["time"] for e in found] == sorted((e["time"] for e in found), reverse=True)
        assert len(await pages(query, AuditFilter(agent_id="agt_odd"), 100)) == 30
        assert len(await pages(query, AuditFilter(allowed=False, action="call:model"), 9)) == 30
        assert len(await pages(query, AuditFilter(action="start:gateway", source="gateway"), 9)) == 2
        some = await pages(query, AuditFilter(start=NOW + 10, end=NOW + 20), 3)
        assert [e["request_id"] for e in some] == [f"req_{n}" for n in range(19, 9, -1)]
        wanted = found[40]
        chain, _, seq = wanted["entry"].partition("/")
        assert await query.page(AuditFilter(place=(chain, int(seq))), 1, None) == ([wanted], None)
        assert await query.page(AuditFilter(place=(chain, 10**15)), 9, None) == ([], None)
        assert await query.page(AuditFilter(place=("0" * 32, 0)), 9, None) == ([], None)
        for wrong in ("x", "!", "YTpi", *(urlsafe_b64encode(b"%d:a:1" % time).decode() for time in (-5, 10**40))):
            with pytest.raises(ValueError, match="not a cursor"):
                await query.page(AuditFilter(), 1, wrong)
