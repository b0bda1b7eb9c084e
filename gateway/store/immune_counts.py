"""What treatments did and what people said were causes, over the whole fleet: counts that every replica adds to."""

from collections.abc import Callable

from gateway.immune.memory import Counts
from gateway.store.connection import Connection
from gateway.store.errors import StoreUnavailable

_CACHED_SECONDS = 2.0
_THINGS = 1000
_FIELDS = 10_000  # far more than there are causes, findings and remedies


class ImmuneCounts:
    """Fields are those of `gateway.immune.memory`.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, connection: Connection, *, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock
        self._read_at = float("-inf")
        self._counts: Counts = {}

    async def read(self) -> Counts:
        """All counts, at most two seconds old; while Redis is away as they were last."""
        if self._clock() - self._read_at >= _CACHED_SECONDS:
            try:
                flat = await self._connection.script("read_hash", [self._connection.keys.immune_counts])
            except StoreUnavailable:
                return self._counts  # they only order what is tried first
            self._counts = {name.decode(): int(count) for name, count in zip(flat[::2], flat[1::2], strict=True)}
            self._read_at = self._clock()
        return self._counts

    async def add(self, field: str, once: str = "") -> None:
        """Add one; only the first time for the same `once`, such as an incident and its treatment.

        Raises StoreUnavailable: it may have been added if `sent`.
        """
        keys = self._connection.keys
        arguments = (field, once and f"{field}:{once}", _THINGS, _FIELDS)
        await self._connection.script("add_count", [keys.immune_counts, keys.immune_counted], arguments)
        self._read_at = float("-inf")

    async def take(self, field: str, once: str) -> None:
        """Take back what was added `once`, if it was. Raises as `add`."""
        keys = self._connection.keys
        names = [keys.immune_counts, keys.immune_counted]
        await self._connection.script("take_count", names, (field, f"{field}:{once}"))
        self._read_at = float("-inf")
