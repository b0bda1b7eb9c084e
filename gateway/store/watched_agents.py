"""What is known of watched agents, for those who only read; whoever leases an agent's part keeps it."""

import contextlib
from collections.abc import Iterable

from gateway.immune.record import Record, Summary, record_of, summary_of
from gateway.store.connection import Connection
from gateway.store.errors import StoreError
from gateway.store.keys import partition_of
from gateway.store.watch_partitions import FIELDS, kept_fields


class WatchedAgents:
    """Every method raises StoreUnavailable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def record(self, agent_id: str) -> Record | None:
        """All that is known of an agent, as it was saved last; None if it is not watched yet."""
        (values,) = await self._connection.script("read_fields", [self._connection.keys.watched(agent_id)], FIELDS)
        return record_of(agent_id, kept_fields(FIELDS, values))

    async def summaries(self, agent_ids: Iterable[str]) -> dict[str, Summary]:
        """What lists show; agents that are not watched yet are left out."""
        ids = list(dict.fromkeys(agent_ids))
        keys = self._connection.keys
        replies = await self._connection.scripts("read_fields", [([keys.watched(id)], ("t",)) for id in ids])
        found = {}
        for agent_id, reply in zip(ids, replies, strict=True):
            if isinstance(reply, StoreError):
                raise reply.again()
            with contextlib.suppress(ValueError, TypeError):  # another version wrote it
                if reply[0][0] is not None:
                    found[agent_id] = summary_of(reply[0][0])
        return found

    async def forget(self, agent_id: str) -> None:
        """As if it had never been watched. Whoever watches it begins anew, so that it does not come back."""
        keys = self._connection.keys
        prompts = await self._connection.execute("ZRANGE", keys.prompts(agent_id), 0, -1)
        partition = partition_of(agent_id)
        names = [keys.watch(partition, "position"), keys.watch(partition, "busy"), keys.watched(agent_id)]
        names += [keys.prompts(agent_id), *(keys.prompt(agent_id, digest.decode()) for digest in prompts)]
        await self._connection.script("forget_watched", names, [agent_id])
