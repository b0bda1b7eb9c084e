"""Keys that prove who an agent is: made, shown once, looked up by their keyed hash, ended.

Nothing from which a key could be told is stored. A key is entered among its agent's keys before it can be used, and
cannot be used any more before it leaves that list, so that a usable key can always be found and ended.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.identity.issued_key import issue_key, issued_key_id, key_digest
from gateway.store.connection import Connection
from gateway.store.sealed import derived_key

PREFIX = "agk"
MOST = 20
"""Keys of one agent, expired ones not counted."""


class TooManyKeys(Exception):
    """The agent has as many keys as it may."""


@dataclass(frozen=True, slots=True)
class AgentKey:
    """What is known of a key. Times are seconds since the epoch; `expires_at` None: it never does."""

    key_id: str
    agent_id: str
    created_at: float
    expires_at: float | None = None


class AgentKeys:
    """Every method raises StoreUnavailable where Redis does not answer.

    Args:
        root: the deployment's root secret.
        clock: seconds since the epoch.
        choose: picks one character, unpredictably.
    """

    def __init__(
        self, connection: Connection, root: bytes, *, clock: Callable[[], float], choose: Callable[[str], str]
    ) -> None:
        self._connection = connection
        self._root = derived_key(root, "agent keys")
        self._clock = clock
        self._choose = choose

    async def make(self, agent_id: str, expires_at: float | None = None) -> tuple[AgentKey, str]:
        """A new key, as it is known and as it is shown this one time. Raises TooManyKeys."""
        listed = await self._listed(agent_id)
        if len(listed) >= MOST:
            raise TooManyKeys(f"the agent has {MOST} keys already")
        while True:
            shown = issue_key(PREFIX, self._choose)
            key_id = issued_key_id(shown, PREFIX)
            assert key_id is not None
            if key_id not in listed:
                break
        made = AgentKey(key_id, agent_id, self._clock(), expires_at)
        await self._write(made, self.digest(shown))
        return made, shown

    def digest(self, shown: str) -> str:
        """The name under which a key is looked up."""
        return key_digest(self._root, shown)

    async def find(self, digest: str) -> AgentKey | None:
        """The key with this digest, expired or not; None if nobody has it (any more)."""
        flat = await self._connection.script("read_hash", [self._connection.keys.agent_key(digest)])
        found = {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2], strict=True)}
        return _read(orjson.loads(found["key"])) if "key" in found else None

    async def all(self, agent_id: str) -> list[AgentKey]:
        """An agent's keys, the oldest first; not those that have expired."""
        found = [_read(document) for document in (await self._listed(agent_id)).values()]
        return sorted(found, key=lambda key: (key.created_at, key.key_id))

    async def end(self, agent_id: str, key_id: str, at: float | None = None) -> AgentKey | None:
        """Let a key end at a time (seconds since the epoch), or now; what it was, None if there is none.

        It never lives longer than before.
        """
        document = (await self._listed(agent_id)).get(key_id)
        if document is None:
            return None
        key = _read(document)
        if at is not None and at > self._clock():
            ends = at if key.expires_at is None else min(at, key.expires_at)
            key = AgentKey(key.key_id, agent_id, key.created_at, ends)
            await self._write(key, document["digest"])
            return key
        await self._connection.execute("DEL", self._connection.keys.agent_key(document["digest"]))
        await self._connection.execute("HDEL", self._connection.keys.keys_of(agent_id), key_id)
        return key

    async def _write(self, key: AgentKey, digest: str) -> None:
        execute, keys = self._connection.execute, self._connection.keys
        document = orjson.dumps(
            {
                "key_id": key.key_id,
                "agent_id": key.agent_id,
                "created_at": key.created_at,
                "expires_at": key.expires_at,
                "digest": digest,
            }
        )
        await execute("HSET", keys.keys_of(key.agent_id), key.key_id, document)
        await execute("HSET", keys.agent_key(digest), "key", document)
        if key.expires_at is not None:
            await execute("PEXPIREAT", keys.agent_key(digest), round(key.expires_at * 1000))

    async def _listed(self, agent_id: str) -> dict[str, dict[str, Any]]:
        """The keys that can be used, by id; leaves out, and strikes from the list, those that have expired."""
        flat = await self._connection.script("read_hash", [self._connection.keys.keys_of(agent_id)])
        documents = {name.decode(): orjson.loads(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}
        now = self._clock()
        over = [
            key_id for key_id, key in documents.items() if key["expires_at"] is not None and key["expires_at"] <= now
        ]
        if over:
            await self._connection.execute("HDEL", self._connection.keys.keys_of(agent_id), *over)
        return {key_id: document for key_id, document in documents.items() if key_id not in over}


def _read(document: dict[str, Any]) -> AgentKey:
    return AgentKey(document["key_id"], document["agent_id"], document["created_at"], document["expires_at"])
