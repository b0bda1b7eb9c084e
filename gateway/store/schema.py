"""Is this Redis fit for us: the number of the stored layout, and no eviction. Asked once, before anything else.

Two versions of the gateway whose numbers are the same may run on one Redis at a time; a newer number is never touched.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.store.connection import Connection
from gateway.store.errors import CommandRefused, EvictionEnabled, SchemaMismatch

SCHEMA = 1

Migration = Callable[[Connection], Awaitable[None]]

MIGRATIONS: Mapping[int, Migration] = MappingProxyType({})
"""By the number they start from, each to the next one. A migration may run twice, also at the same time."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `prepare` found. `warnings` are sentences for the operator."""

    schema: int
    created: bool
    warnings: tuple[str, ...] = ()


async def prepare(
    connection: Connection, *, schema: int = SCHEMA, migrations: Mapping[int, Migration] = MIGRATIONS
) -> Prepared:
    """Check the store and bring its layout up to ours.

    Raises:
        EvictionEnabled: Redis would drop keys when full.
        SchemaMismatch: the data are of a newer version, or cannot be brought up to ours.
        StoreUnavailable: Redis does not answer; nothing is known.
    """
    await connection.reach()
    warnings = await _check_policy(connection)
    stored, created = await connection.script("prepare_schema", [connection.keys.schema], [schema])
    number = _number(stored, connection.keys.schema)
    if number > schema:
        raise SchemaMismatch(f"the data in Redis have schema {number}, this version knows {schema}: use a newer one")
    for step in range(number, schema):
        if step not in migrations:
            raise SchemaMismatch(f"the data in Redis have schema {number}; no way leads from {step} to {step + 1}")
        await migrations[step](connection)
        await connection.execute("SET", connection.keys.schema, step + 1)
    return Prepared(number, bool(created), warnings)


def _number(stored: bytes, key: str) -> int:
    if not stored.isascii() or not stored.isdigit() or len(stored) > 9:
        raise SchemaMismatch(f"the key {key} holds {stored[:40]!r} instead of a schema number")
    return int(stored)


async def _check_policy(connection: Connection) -> tuple[str, ...]:
    try:
        replies: list[bytes] = await connection.execute_everywhere("INFO", "memory")
    except CommandRefused as error:
        return (f"cannot see Redis's maxmemory_policy ({error}); it must be noeviction",)
    policies = {_policy(info) for info in replies}
    for policy in policies - {b"noeviction", None}:
        raise EvictionEnabled(
            f"Redis has maxmemory-policy {(policy or b'').decode(errors='replace')}; it must be noeviction,"
            " or a full Redis would forget quarantines and budgets"
        )
    return ("Redis does not tell its maxmemory_policy; it must be noeviction",) if None in policies else ()


def _policy(info: bytes) -> bytes | None:
    for line in info.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"maxmemory_policy":
            return value
    return None
