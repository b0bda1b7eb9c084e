"""What most tests of the store begin with."""

from collections.abc import AsyncIterator

import pytest

from gateway.store.connection import Connection


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[Connection]:
    """To an empty server; patient, because the machine may be busy."""
    connection = Connection(redis_url, op_timeout=5)
    yield connection
    await connection.close()
