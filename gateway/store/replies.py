"""What an error reply of Redis means for the gateway."""

import re
from dataclasses import dataclass

from redis.exceptions import RedisError

from gateway.store.errors import CommandRefused, StoreError, StoreUnavailable

_CODE = re.compile(r"(?:^|-)([A-Z]{3,})\b")
"""Scripts of Redis 6.2 wrap the code of an inner error: `ERR Error running script …: -OOM command not allowed`."""

NO_WRITES = frozenset({"OOM", "MISCONF", "NOREPLICAS"})
"""Redis answers reads, but takes no writes: full, its disk fails, or too few replicas."""

NO_SERVICE = frozenset({"READONLY", "LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "NOAUTH", "WRONGPASS"})
"""This server cannot be our store now. READONLY: it was demoted, so what it would let us read may be old as well."""

ELSEWHERE = frozenset({"MOVED", "ASK", "TRYAGAIN"})
"""Nothing is wrong with this node of a cluster, but it does not have the keys, or not all of them, at the moment."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """`error` goes to the caller; `code` is empty if nothing is wrong with the store."""

    error: StoreError
    code: str = ""


def meaning(reply: RedisError) -> Meaning:
    """Read one error reply."""
    text = str(reply)
    codes = {reply.status_code or "", *_CODE.findall(text)}
    # The more specific sets first: a wrapped error also shows the code of its wrapper.
    for known in (NO_SERVICE, NO_WRITES):
        for code in known & codes:
            # Redis says so before it carries the command out.
            return Meaning(StoreUnavailable(code.lower(), text, sent=False), code)
    for code in ELSEWHERE & codes:
        return Meaning(StoreUnavailable(code.lower(), text, sent=False))
    return Meaning(CommandRefused(f"{reply.status_code or ''} {text}".strip()))
