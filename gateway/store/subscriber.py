"""Hears on a Pub/Sub channel that there is news. Only for speed: messages may be lost, so whoever must know polls."""

import asyncio
from collections.abc import Callable

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from gateway.store.connection import Connection
from gateway.store.errors import StoreError

_SILENCE = 30.0  # seconds after which a link may be half-open: a new one costs little
_PAUSE = 0.5


class Subscriber:
    """Listens on a link of its own, which is opened again when it breaks.

    Args:
        heard: called for every message, and whenever a new link may have missed some.
    """

    def __init__(self, connection: Connection, channel: str, heard: Callable[[], None]) -> None:
        self._connection = connection
        self._channel = channel
        self._heard = heard

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                link = await self._connection.open_link(self._channel)
            except StoreError:
                await asyncio.sleep(_PAUSE)
                continue
            try:
                await self._listen(link)
            except (RedisError, OSError):  # a time-out is an OSError
                await asyncio.sleep(_PAUSE)
            finally:
                await link.disconnect(nowait=True)

    async def _listen(self, link: AbstractConnection) -> None:
        await link.send_command("SUBSCRIBE", self._channel)
        while True:
            async with asyncio.timeout(_SILENCE):
                await link.read_response()
            self._heard()
