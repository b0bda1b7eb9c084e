"""The replies that come on one link, gathered as they arrive: no task wakes up for each, or for a part of one."""

import asyncio
from collections.abc import Sequence
from copy import copy
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection, DefaultParser
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import InvalidResponse

from gateway.store.errors import StoreUnavailable
from gateway.store.links import failure

_MORE = object()


class ReplyStream(asyncio.Protocol):
    """Takes the place of redis-py's reader once a link is open. Whatever is not as it should be breaks it for good."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=DefaultParser.parse_error, notEnoughData=_MORE
        )
        self._replies: list[Any] = []
        self._expected = 0
        self._waiting: asyncio.Future[list[Any]] | None = None
        self._broken: StoreUnavailable | None = None

    @property
    def intact(self) -> bool:
        """Whether what is sent now may be answered: the link is open, and nothing is left over in it."""
        return self._broken is None and self._waiting is None

    async def ask(self, commands: Sequence[bytes], count: int) -> list[Any]:
        """Send the commands and wait for `count` replies; error replies are exceptions in the list.

        Raises:
            Exception: what broke the stream, or an error reply that means there is no connection.
        """
        if self._broken is not None:
            raise self._broken.again()
        self._replies, self._expected = [], count
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(b"".join(commands))
        replies = await self._waiting
        self._waiting = None
        for reply in replies:
            if isinstance(reply, Disconnected):
                raise copy(reply)  # as `StoreError.again`
        return replies

    def fail(self, error: Exception) -> None:
        """Use it no more; who waits hears why."""
        self._broken = self._broken or failure(error, sent=True).again()
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)

    def data_received(self, data: bytes) -> None:
        """As asyncio has it."""
        waiting = self._waiting
        if waiting is None or waiting.done():
            self.fail(StoreUnavailable("garbage", "a reply that nobody asked for"))
            return
        try:
            self._reader.feed(data)
            while len(self._replies) < self._expected:
                reply = self._reader.gets()
                if reply is _MORE:
                    return
                self._replies.append(reply)
        except Exception as error:  # broad because garbage makes the parser raise nearly anything
            self.fail(failure(error, sent=True))
            return
        if self._reader.has_data():
            self.fail(StoreUnavailable("garbage", "more replies than commands"))
            return
        waiting.set_result(self._replies)

    def eof_received(self) -> None:
        """As asyncio has it: the transport closes itself then."""
        self.fail(Disconnected("Connection closed by server."))

    def connection_lost(self, error: Exception | None) -> None:
        """As asyncio has it."""
        self.fail(error or Disconnected("Connection closed by server."))


async def replies_of(link: AbstractConnection) -> ReplyStream:
    """Take over what a link reads, from now on; it is sent to through the stream too, and closed as before.

    Raises:
        StoreUnavailable: there is something in it that nobody asked for.
    """
    # redis-py offers no way but this to what it writes to.
    writer = link._writer
    if writer is None or await link.can_read():
        raise StoreUnavailable("garbage", "a new link has something to say", sent=False)
    stream = ReplyStream(writer.transport)
    writer.transport.set_protocol(stream)
    return stream
