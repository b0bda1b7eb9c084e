"""The copy of the record lets go of what is too old, and takes nothing out of its order."""

from pathlib import Path

from gateway.background.ship_audit import ShipAudit
from gateway.ledger.chain import encode, origin
from gateway.ledger.frame import frame
from gateway.store.audit_copy import AuditCopy
from gateway.store.connection import Connection
from tests.spool.keeping import NOW, audit_at, entry, keeping


async def numbers(copy: AuditCopy, chain: str) -> list[int]:
    return [record["seq"] async for record in copy.backwards(chain)]


async def test_records_are_taken_from_the_number_it_has_and_no_other(redis_url: str) -> None:
    connection, chain = Connection(redis_url, op_timeout=5), "c" * 32
    copy = AuditCopy(connection, clock=lambda: NOW, life=3600)
    records = [frame(encode(number, origin(chain), entry(number))) for number in range(6)]
    assert await copy.ship(chain, 2, records[2:4]) == 0
    assert await copy.ship(chain, 0, records[:2]) == 2
    assert await copy.ship(chain, 4, records[4:]) == 2
    assert await copy.ship(chain, 2, records[2:]) == 6
    assert await copy.ship(chain, 0, records[:2]) == 6
    assert await numbers(copy, chain) == [5, 4, 3, 2, 1, 0]
    await connection.close()


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
