"""What was counted once can be taken back once."""

import time

from gateway.store.connection import Connection
from gateway.store.immune_counts import ImmuneCounts

FIELD = "actual:tool_loop:unknown"


async def test_only_what_was_counted_for_a_thing_is_taken_back(connection: Connection) -> None:
    counts = ImmuneCounts(connection, clock=time.monotonic)
    await counts.add(FIELD, "inc_1")
    await counts.add(FIELD, "inc_2")
    for _ in range(2):
        await counts.take(FIELD, "inc_1")
    await counts.take(FIELD, "inc_9")
    assert dict(await counts.read()) == {FIELD: 1}
    await counts.add(FIELD, "inc_1")
    assert dict(await counts.read()) == {FIELD: 2}
