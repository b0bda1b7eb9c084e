"""Memory that callers fill must not grow with what they send."""

from typing import Any


def make_room(held: dict[Any, Any], limit: int) -> None:
    """Drop the entry that was added first, where one more would make more than `limit`."""
    if len(held) >= limit:
        del held[next(iter(held))]
