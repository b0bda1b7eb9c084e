"""Which server is the master: asked of all sentinels whenever a link is opened, and every second besides.

Protocol: https://redis.io/docs/latest/develop/reference/sentinel-clients/. That page believes the first sentinel that
answers; here the one with the newest configuration counts, so that a sentinel cut off from the others misleads nobody
while they can be asked too.
"""

import asyncio
import contextlib
from collections.abc import Callable

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoPermissionError

from gateway.store.address import Host, RedisAddress
from gateway.store.errors import StoreUnavailable
from gateway.store.links import Links, answers, failure, said

_PATIENCE = 0.03  # seconds for the other sentinels after the first has answered
_EVERY = 1.0  # seconds between two questions whether the master has moved


class Sentinels:
    """Opens links to the master of one service.

    Args:
        address: of kind sentinel.
        connect_timeout: seconds for asking one sentinel, and for opening one link.
        on_move: told when another server became the master: links to the old one must go, also if it still answers.
    """

    def __init__(self, address: RedisAddress, *, connect_timeout: float, on_move: Callable[[], None]) -> None:
        self._hosts = address.hosts
        self._service = address.service
        self._on_move = on_move
        self._connect_timeout = connect_timeout
        self._sentinels = Links(address.sentinel_url, connect_timeout=connect_timeout)
        self._servers = Links(address.url, connect_timeout=connect_timeout)
        self._master: Host | None = None

    async def open(self) -> AbstractConnection:
        """A link to the master.

        Raises:
            StoreUnavailable: no sentinel knows one, or it cannot be reached, or it says that it is none.
        """
        master = await self.find()
        link = await self._servers.open(master)
        try:
            async with asyncio.timeout(self._connect_timeout):
                await _check_role(link)
            return link
        except BaseException as error:  # broad: no link may be left open, whatever the peer makes redis-py raise.
            await link.disconnect(nowait=True)
            if not isinstance(error, Exception):
                raise
            raise failure(error, sent=False) from error

    async def find(self) -> Host:
        """Where the master is now.

        Raises:
            StoreUnavailable: no sentinel knows.
        """
        known = await answers((self._ask(host) for host in self._hosts), patience=_PATIENCE)
        _, master = max(known, key=lambda answer: answer[0])
        before, self._master = self._master, master
        if before not in (None, master):
            self._on_move()
        return master

    async def watch(self) -> None:
        """Notice a move without an error, until cancelled: the old master may still answer, and take writes in vain."""
        while True:
            await asyncio.sleep(_EVERY)
            with contextlib.suppress(StoreUnavailable):
                await self.find()

    async def _ask(self, host: Host) -> tuple[int, Host]:
        flat = await self._sentinels.ask(host, "SENTINEL", "MASTER", self._service)
        try:
            found = dict(zip(flat[::2], flat[1::2], strict=True))
            return int(found[b"config-epoch"]), (found[b"ip"].decode(), int(found[b"port"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreUnavailable("garbage", "a sentinel does not say where the master is", sent=False) from error


async def _check_role(link: AbstractConnection) -> None:
    try:
        role = await said(link, "ROLE")
    except NoPermissionError:
        return  # a replica also refuses every write
    if not isinstance(role, list) or role[:1] != [b"master"]:
        raise StoreUnavailable("readonly", "the server that the sentinels name is no master (yet)", sent=False)
