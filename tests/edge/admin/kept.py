"""Writes what watchers and healers of a gateway would have written, where a test needs just that."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.immune.record import Record, fields
from gateway.store.connection import Connection
from gateway.store.incidents import Incidents

T = TypeVar("T")


class Kept:
    """One gateway's state in Redis."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._prefix = prefix

    def do(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        async def done() -> T:
            connection = Connection(self._url, prefix=self._prefix, op_timeout=5)
            try:
                return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(done())

    def incidents(self, work: Callable[[Incidents], Awaitable[T]], now: float = 1.8e9) -> T:
        return self.do(lambda connection: work(Incidents(connection, clock=lambda: now, keep_seconds=1e9)))

    def record(self, record: Record) -> None:
        pairs = [part for pair in fields(record).items() for part in pair]

        async def work(connection: Connection) -> None:
            await connection.execute("HSET", connection.keys.watched(record.agent_id), *pairs)

        self.do(work)
