"""Keys of the admin API beside the one of the settings: made, shown once, looked up, deleted."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.identity.issued_key import issue_key, issued_key_id, key_digest
from gateway.store.connection import Connection
from gateway.store.sealed import derived_key

PREFIX = "adk"
MOST = 1000


@dataclass(frozen=True, slots=True)
class AdminKey:
    """What is known of a key. Times are seconds since the epoch; `expires_at` None: it never does."""

    key_id: str
    role: str
    name: str | None
    created_at: float
    expires_at: float | None = None


class TooManyKeys(Exception):
    """There are as many as there may be."""


class AdminKeys:
    """Read from Redis at every use, so that a deleted key is worth nothing from that moment on, on every worker.

    Args:
        root: the deployment's root secret.
        clock: seconds since the epoch.
        choose: picks one character, unpredictably.
    """

    def __init__(
        self, connection: Connection, root: bytes, *, clock: Callable[[], float], choose: Callable[[str], str]
    ) -> None:
        self._connection = connection
        self._hash = connection.keys.admin_keys
        self._root = derived_key(root, "admin keys")
        self._clock = clock
        self._choose = choose

    async def make(self, role: str, name: str | None, expires_at: float | None) -> tuple[AdminKey, str]:
        """A new key, as it is known and as it is shown this one time. Raises TooManyKeys."""
        if int(await self._connection.execute("HLEN", self._hash)) >= MOST:
            raise TooManyKeys(f"there are {MOST} admin keys already")
        while True:
            shown = issue_key(PREFIX, self._choose)
            key_id = issued_key_id(shown, PREFIX)
            assert key_id is not None
            made = AdminKey(key_id, role, name, self._clock(), expires_at)
            document = {
                "role": role,
                "name": name,
                "created_at": made.created_at,
                "expires_at": expires_at,
                "digest": key_digest(self._root, shown),
            }
            if await self._connection.execute("HSETNX", self._hash, key_id, orjson.dumps(document)):
                return made, shown

    async def find(self, shown: str) -> AdminKey | None:
        """The key that was shown, None if it is unknown or expired. A mistyped one costs no look-up.

        Raises StoreUnavailable: whether the key is known cannot be said.
        """
        key_id = issued_key_id(shown, PREFIX)
        document = None if key_id is None else await self._read(key_id)
        if key_id is None or document is None:
            return None
        right = hmac.compare_digest(key_digest(self._root, shown), document["digest"])
        return self._alive(_known(key_id, document)) if right else None

    async def get(self, key_id: str) -> AdminKey | None:
        """By its id, if it has not expired."""
        document = await self._read(key_id)
        return None if document is None else self._alive(_known(key_id, document))

    async def all(self) -> list[AdminKey]:
        """Expired ones too, the oldest first."""
        flat = await self._connection.execute("HGETALL", self._hash)
        found = [_known(key_id.decode(), orjson.loads(raw)) for key_id, raw in zip(flat[::2], flat[1::2], strict=True)]
        return sorted(found, key=lambda key: (key.created_at, key.key_id))

    async def drop(self, key_id: str) -> bool:
        """Whether there was one."""
        return bool(await self._connection.execute("HDEL", self._hash, key_id))

    async def _read(self, key_id: str) -> dict[str, Any] | None:
        found = await self._connection.execute("HGET", self._hash, key_id)
        return None if found is None else orjson.loads(found)

    def _alive(self, key: AdminKey) -> AdminKey | None:
        return None if key.expires_at is not None and key.expires_at <= self._clock() else key


def _known(key_id: str, document: dict[str, Any]) -> AdminKey:
    return AdminKey(key_id, document["role"], document["name"], document["created_at"], document["expires_at"])
