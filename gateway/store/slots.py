"""Which keys lie together in Redis Cluster, and what its nodes say about who has them.

Specification: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

from collections.abc import Sequence
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from gateway.store.address import Host
from gateway.store.scripts import ScriptCall

SLOTS = REDIS_CLUSTER_HASH_SLOTS

SlotMap = tuple[tuple[int, int, Host], ...]
"""(first slot, last slot, its master), sorted."""

# Where the first key is, for commands that do not have it in first place.
_SECOND = frozenset({"XGROUP", "XINFO", "OBJECT", "MEMORY", "BITOP"})
_THIRD = frozenset({"EVAL", "EVALSHA"})
_AFTER_STREAMS = frozenset({"XREAD", "XREADGROUP"})


def slot_of(key: str | bytes) -> int:
    """The slot of a key, by its hash tag if it has one."""
    return key_slot(key.encode() if isinstance(key, str) else key)


def first_key(command: Sequence[Any] | ScriptCall) -> str | bytes:
    """The key that decides where a command goes. For commands without keys anything: every node may answer them."""
    if isinstance(command, ScriptCall):
        return command.key
    name = str(command[0]).upper()
    place = 1
    if name in _SECOND:
        place = 2
    elif name in _THIRD:
        place = 3
    elif name in _AFTER_STREAMS:
        place = 1 + next((n for n, part in enumerate(command) if str(part).upper() == "STREAMS"), 0)
    key = command[place] if place < len(command) else ""
    return key if isinstance(key, str | bytes) else str(key)


def read_slots(reply: Any, asked: Host) -> SlotMap:
    """The reply to CLUSTER SLOTS.

    Args:
        asked: the node that replied; it may leave out its own host.

    Raises:
        ValueError: the reply has another shape.
    """
    try:
        return tuple(sorted(_range(entry, asked) for entry in reply))
    except (TypeError, LookupError, AttributeError, ValueError) as error:
        raise ValueError("not a map of slots") from error


def _range(entry: Any, asked: Host) -> tuple[int, int, Host]:
    first, last, (host, port) = entry[0], entry[1], entry[2][:2]
    if not 0 <= first <= last < SLOTS:
        raise ValueError("no such slots")
    name = host.decode() if host else asked[0]
    return first, last, (asked[0] if name == "?" else name, int(port))
