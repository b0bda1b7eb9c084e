"""What operators say about agents: made, named, given to a team, deactivated, deleted. What is seen of them is counted
in `agents`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.identity import derived
from gateway.store.connection import Connection
from gateway.store.errors import StoreError

_PAGE = 200
_SWEEP_SECONDS = 1800


class NameTaken(Exception):
    """Another agent has this name. `owner` is its id."""

    def __init__(self, owner: str) -> None:
        super().__init__(owner)
        self.owner = owner


@dataclass(frozen=True, slots=True)
class Attributes:
    """What an operator gave an agent."""

    name: str | None = None
    owner_team: str | None = None
    environment: str | None = None


class Registry:
    """Every method raises StoreUnavailable where Redis does not answer.

    Names are unique, because agents that report about themselves may be meant by name.

    Args:
        clock: seconds since the epoch.
        random_bytes: as `os.urandom`.
    """

    def __init__(
        self, connection: Connection, *, clock: Callable[[], float], random_bytes: Callable[[int], bytes]
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._random_bytes = random_bytes

    async def make(self, given: Attributes) -> str:
        """A verified agent that nobody has seen yet; its id. Raises NameTaken."""
        agent_id = derived.agent_id(self._random_bytes(derived.AGENT_BYTES))
        if given.name is not None:
            await self._claim(given.name, agent_id)
        keys, now = self._connection.keys, round(self._clock() * 1000)
        fields: list[str | int] = ["agent_id", agent_id, "verified", 1, "first_seen", now, "last_seen", now]
        for counter in ("requests", "input_tokens", "output_tokens"):
            fields += (counter, 0)
        for field, value in _fields(given).items():
            if value:
                fields += (field, value)
        await self._connection.execute("HSET", keys.agent(agent_id), *fields)
        await self._connection.execute("ZADD", keys.agents, "NX", now, agent_id)
        return agent_id

    async def change(self, agent_id: str, fields: Mapping[str, str | None]) -> bool:
        """Set or (None) remove `name`, `owner_team`, `environment`, `inactive`; False without such an agent.

        Raises NameTaken.
        """
        keys = self._connection.keys
        before = (await self.attributes(agent_id)).name
        named = fields.get("name")
        if named is not None and named != before:
            await self._claim(named, agent_id)
        pairs = [part for field, value in fields.items() for part in (field, value or "")]
        exists = bool((await self._connection.script("patch_agent", [keys.agent(agent_id)], pairs))[0])
        if not exists and named is not None:
            await self._release(named, agent_id)
        elif "name" in fields and before is not None and before != named:
            await self._release(before, agent_id)
        return exists

    async def delete(self, agent_id: str) -> bool:
        """Forget an agent; whether there was one. One without a key that comes again is a new one."""
        keys = self._connection.keys
        (values,) = await self._connection.script("read_fields", [keys.agent(agent_id)], ["name", "credential_id"])
        before, credential_id = (None if value is None else value.decode("utf-8", "replace") for value in values)
        if credential_id is not None:
            await self._connection.execute("ZREM", keys.credential(credential_id), agent_id)
        await self._connection.execute("DEL", keys.forms(agent_id), keys.clients(agent_id))
        await self._connection.execute("ZREM", keys.agents, agent_id)
        existed = bool(await self._connection.execute("DEL", keys.agent(agent_id)))
        if before is not None:
            await self._release(before, agent_id)
        return existed

    async def forget_idle(self, seconds: float) -> int:
        """Delete agents without a proof or a name that were not seen for so long; how many.

        One caller at a time does it, over all replicas; for others there is nothing to do.
        """
        keys, execute = self._connection.keys, self._connection.execute
        if not await execute("SET", keys.idle_sweep, 1, "NX", "EX", _SWEEP_SECONDS):
            return 0
        before, kept, gone = round((self._clock() - seconds) * 1000), 0, 0
        while ids := await execute("ZRANGEBYSCORE", keys.agents, 0, before, "LIMIT", kept, _PAGE):
            names = [agent_id.decode() for agent_id in ids]
            replies = await self._connection.scripts(
                "forget_idle_agent", [([keys.agent(name)], [before]) for name in names]
            )
            forgotten = []
            for name, reply in zip(names, replies, strict=True):
                if isinstance(reply, StoreError):
                    raise reply.again()
                if reply[0]:
                    forgotten.append(name)
                    await execute("ZREM", keys.credential(reply[1].decode()), name)
                    await execute("DEL", keys.forms(name), keys.clients(name))
            if forgotten:
                await execute("ZREM", keys.agents, *forgotten)
            kept += len(names) - len(forgotten)
            gone += len(forgotten)
        return gone

    async def attributes(self, agent_id: str) -> Attributes:
        """Empty for an agent that is unknown."""
        key = self._connection.keys.agent(agent_id)
        (values,) = await self._connection.script("read_fields", [key], ["name", "owner_team", "environment"])
        return Attributes(*(None if value is None else value.decode("utf-8", "replace") for value in values))

    async def _claim(self, name: str, agent_id: str) -> None:
        keys = self._connection.keys
        if await self._connection.execute("HSETNX", keys.agent_names, name, agent_id):
            return
        owner = await self._connection.execute("HGET", keys.agent_names, name)
        holder = agent_id if owner is None else owner.decode()
        if holder != agent_id and await self._connection.execute("EXISTS", keys.agent(holder)):
            raise NameTaken(holder)
        # Its holder was deleted, or never came to exist.
        await self._connection.execute("HSET", keys.agent_names, name, agent_id)

    async def _release(self, name: str, agent_id: str) -> None:
        keys = self._connection.keys
        if await self._connection.execute("HGET", keys.agent_names, name) == agent_id.encode():
            await self._connection.execute("HDEL", keys.agent_names, name)


def _fields(given: Attributes) -> dict[str, str | None]:
    return {"name": given.name, "owner_team": given.owner_team, "environment": given.environment}
