"""What operators define by the API: small named documents, one hash a kind, with one version over all of them.

Every change raises the version, so that each process learns by reading one number whether it must read again.
"""

from typing import Any, Literal

import orjson

from gateway.store.connection import Connection
from gateway.store.lane import Argument

Kind = Literal["admin_keys", "providers", "routes"]
Outcome = Literal["made", "replaced", "exists", "full"]

_PAGE = 500


class Records:
    """The documents of one kind, by id. Every method raises StoreUnavailable where Redis does not answer.

    Args:
        most: how many there may be.
    """

    def __init__(self, connection: Connection, kind: Kind, *, most: int) -> None:
        self._connection = connection
        self._keys = [connection.keys.registry(kind), connection.keys.registry_version]
        self.most = most

    async def put(self, record_id: str, document: dict[str, Any], *, fresh: bool = False) -> Outcome:
        """Write one; with `fresh` only if there is none of this id."""
        arguments: list[Argument] = [record_id, orjson.dumps(document), int(fresh), self.most]
        outcome: Outcome = (await self._connection.script("put_record", self._keys, arguments))[0].decode()
        return outcome

    async def drop(self, record_id: str) -> bool:
        """Delete one; whether it was there."""
        return bool((await self._connection.script("drop_record", self._keys, [record_id]))[0])

    async def get(self, record_id: str) -> dict[str, Any] | None:
        found = await self._connection.execute("HGET", self._keys[0], record_id)
        return None if found is None else orjson.loads(found)

    async def all(self) -> dict[str, dict[str, Any]]:
        """Every document, by id and in the order of ids."""
        found: dict[str, dict[str, Any]] = {}
        cursor = b"0"
        while True:
            cursor, flat = await self._connection.execute("HSCAN", self._keys[0], cursor, "COUNT", _PAGE)
            for record_id, document in zip(flat[::2], flat[1::2], strict=True):
                found[record_id.decode()] = orjson.loads(document)
            if cursor == b"0":
                return dict(sorted(found.items()))

    async def version(self) -> int:
        """Grows with every change of any kind; 0 before the first."""
        return int(await self._connection.execute("GET", self._keys[1]) or 0)
