"""From an address to a socket that speaks Redis.

A link is a bare connection of redis-py: it never retries, never checks its health by itself and has no time-out of its
own for replies, because its owner bounds whole batches.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from copy import copy
from typing import Any, TypeVar

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError, ResponseError

from gateway.store.address import Host
from gateway.store.errors import StoreUnavailable
from gateway.store.replies import meaning

Answer = TypeVar("Answer")

OpenLink = Callable[[], Awaitable[AbstractConnection]]
"""Finds out where the server is, anew each time, and connects; raises StoreUnavailable."""

_FORMS = "redis://[user:password@]host[:port][/db], rediss://…, or unix:///path/to/socket[?db=n]"


class Links:
    """Opens links to one server, or to others that are reached in the same way.

    Options in the URL's query cannot change how long the gateway waits or whether it tries again.

    Args:
        url: as redis-py reads it, see `RedisAddress.url`.
        connect_timeout: seconds for opening one link, including the handshake.

    Raises:
        ValueError: the URL has no form that is known here.
    """

    def __init__(self, url: str, *, connect_timeout: float) -> None:
        try:
            options: dict[str, Any] = dict(parse_url(url))
        except ValueError as error:
            raise ValueError(f"the Redis URL is not one of {_FORMS}") from error
        if url.startswith("unix:") and not options.get("path"):
            raise ValueError(f"the Redis URL names no socket; it must be one of {_FORMS}")
        options.update(
            # The handshake and the replies are bounded by the owner: one timer a batch, not one a reply.
            socket_timeout=None,
            socket_connect_timeout=connect_timeout,
            retry=None,
            retry_on_timeout=False,
            retry_on_error=[],
            health_check_interval=0,
            # RESP2: the same bytes from every server version, no HELLO round trip, no pushed messages among replies.
            protocol=2,
            driver_info=None,
            decode_responses=False,
        )
        self._kind: type[AbstractConnection] = options.pop("connection_class", Connection)
        self._options = options
        try:
            self.make()
        except TypeError:  # from the constructor; its text is about redis-py
            raise ValueError("the Redis URL has an option in its query that does not exist") from None
        self._connect_timeout = connect_timeout

    def make(self, host: Host | None = None) -> AbstractConnection:
        """A link that is not open yet."""
        options = self._options if host is None else {**self._options, "host": host[0], "port": host[1]}
        return self._kind(**options)

    async def open(self, host: Host | None = None) -> AbstractConnection:
        """Connect to the server of the URL, or to the one at `host`.

        Raises:
            StoreUnavailable: it did not work; the link is closed.
        """
        link = self.make(host)
        try:
            async with asyncio.timeout(self._connect_timeout):
                await link.connect()  # type: ignore[no-untyped-call]
            return link
        except BaseException as error:  # broad: a peer that is no Redis makes the handshake raise nearly anything.
            await link.disconnect(nowait=True)
            if not isinstance(error, Exception):
                raise
            raise failure(error, sent=False) from error

    async def ask(self, host: Host, *command: str) -> Any:
        """One command on a link of its own.

        Raises:
            StoreUnavailable: no reply in `connect_timeout` seconds, or an error reply.
        """
        link = await self.open(host)
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await said(link, *command)
        except Exception as error:
            # Broad as above.
            raise failure(error, sent=True) from error
        finally:
            await link.disconnect(nowait=True)


async def said(link: AbstractConnection, *command: str) -> Any:
    """The reply to one command; raises what redis-py raises."""
    await link.send_command(*command)
    return await link.read_response()


async def answers(questions: Iterable[Coroutine[Any, Any, Answer]], *, patience: float) -> list[Answer]:
    """Ask all at once; what has been answered `patience` seconds after the first answer, in the order asked.

    Raises:
        StoreUnavailable: none was answered; as the last of them failed.
    """
    tasks = [asyncio.ensure_future(question) for question in questions]
    waiting: set[asyncio.Future[Answer]] = set(tasks)
    error: BaseException | None = None
    try:
        heard = False
        while waiting:
            done, waiting = await asyncio.wait(
                waiting, timeout=patience if heard else None, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
            for task in done:
                error = task.exception() or error
                heard = heard or task.exception() is None
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    found = [task.result() for task in tasks if not task.cancelled() and task.exception() is None]
    if not found:
        raise copy(error or StoreUnavailable("connection", "nobody to ask", sent=False))  # as `StoreError.again`
    return found


def failure(error: Exception, *, sent: bool) -> StoreUnavailable:
    """What an exception on a link means for those who waited for a reply on it."""
    if isinstance(error.__cause__, RedisError):
        error = error.__cause__  # an error reply in the handshake comes wrapped, without its code
    match error:
        case StoreUnavailable():
            return error
        case TimeoutError():
            return StoreUnavailable("timeout", "no reply in time", sent=sent)
        case RedisError() if error.status_code or isinstance(error, ResponseError):
            what = meaning(error).error
            return StoreUnavailable(
                what.reason if isinstance(what, StoreUnavailable) else "refused", str(error), sent=sent
            )
        case Disconnected() | OSError():
            return StoreUnavailable("connection", f"{type(error).__name__}: {error}", sent=sent)
        case _:
            return StoreUnavailable("garbage", f"{type(error).__name__}: {error}", sent=sent)
