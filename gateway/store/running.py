"""Which replicas still have exchanges of an agent under way: so that a drain ends as soon as nothing runs any more."""

from gateway.store.connection import Connection

LASTS_SECONDS = 2.0


class Running:
    """Args:
    replica: this process's id among the replicas.
    """

    def __init__(self, connection: Connection, replica: str) -> None:
        self._connection = connection
        self._replica = replica

    async def tell(self, agent_id: str, here: bool) -> int:
        """Say whether there are some here, which holds for two seconds; how many replicas have some.

        Raises StoreUnavailable.
        """
        key = self._connection.keys.running(agent_id)
        arguments = (self._replica, int(here), round(LASTS_SECONDS * 1000))
        (count,) = await self._connection.script("mark_running", [key], arguments)
        return int(count)
