"""Every error of the store.

    StoreError
      StoreUnavailable   Redis cannot be asked, or takes no writes, now; try again later
      CommandRefused     Redis understood one command and refused it: a defect of the caller
      StoreUnfit         the gateway must not start on this store
        NoServerBinary   there is no redis-server to start
        ServerFailed     the private redis-server did not start, or an older one does not end
        AlreadyRunning   another gateway owns the data directory
        SchemaMismatch   the data belongs to another version of the gateway
        EvictionEnabled  Redis may drop keys when it is full

Messages name hosts, files and numbers of this machine: they are for logs and the operator, never for a caller.
"""

from copy import copy
from typing import Self


class StoreError(Exception):
    """Anything that went wrong between the gateway and its Redis."""

    def again(self) -> Self:
        """To raise instead of one that came as a reply: a variable that held what is raised would be held by it.

        Such a circle keeps all that its frames know, whole batches of commands, until the collector's next full look.
        """
        return copy(self)


class StoreUnavailable(StoreError):
    """The command has no answer that may be relied on.

    Args:
        reason: a short word for metrics: `open` (breaker), `overload`, `closed`, `timeout`, `connection`, `garbage`,
            or the error code of Redis in lower case: `oom`, `readonly`, `loading`, `busy`, ….
        detail: what happened, for the log.
        sent: whether the command may have been carried out: False only if that is ruled out.
    """

    def __init__(self, reason: str, detail: str = "", *, sent: bool = True) -> None:
        super().__init__(f"Redis is unavailable ({reason}){': ' if detail else ''}{detail}")
        self.reason = reason
        self.detail = detail
        self.sent = sent

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.reason, self.detail, self.sent))


def _rebuild(reason: str, detail: str, sent: bool) -> StoreUnavailable:
    return StoreUnavailable(reason, detail, sent=sent)


class CommandRefused(StoreError):
    """An error reply to one command, such as a wrong type of key; nothing is wrong with the store."""


class StoreUnfit(StoreError):
    """Starting on this store would lose or damage state."""


class NoServerBinary(StoreUnfit):
    """Neither `PATH` nor the installed packages hold a redis-server."""


class ServerFailed(StoreUnfit):
    """The private redis-server did not come up, or one from before cannot be ended."""


class AlreadyRunning(StoreUnfit):
    """Another process holds the data directory. `pid` is 0 if its number could not be read."""

    def __init__(self, pid: int, where: str) -> None:
        owner = f"another gateway (process {pid or 'unknown'}) is running on {where}"
        super().__init__(f"{owner}; stop it, or give this one its own GATEWAY_DATA_DIR")
        self.pid = pid
        self.where = where

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.pid, self.where))


class SchemaMismatch(StoreUnfit):
    """The stored schema number is newer than this version knows, unreadable, or has no way up to ours."""


class EvictionEnabled(StoreUnfit):
    """`maxmemory-policy` is not `noeviction`: a full Redis would forget quarantines and budgets."""
