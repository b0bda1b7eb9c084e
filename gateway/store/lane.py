"""One link to Redis and the only code that touches it: sends a batch, reads as many replies, checks they are its own.

A caller that gives up only forgets its future; the lane still reads that reply, so the replies of others stay in step.
Whatever goes wrong between the first byte sent and the last reply read closes the link: it is never used again.
"""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, ResponseError

from gateway.store.errors import StoreUnavailable
from gateway.store.links import OpenLink, failure
from gateway.store.reply_stream import ReplyStream, replies_of
from gateway.store.scripts import ScriptCall

Argument = str | bytes | int | float

Command = tuple[Argument, ...]

# Its stub says tuple[x] where it means tuple[x, ...].
_pack = cast(Callable[[Command], bytes], hiredis.pack_command)

_ASKING = _pack(("ASKING",))
_ECHO = b"*2\r\n$4\r\nECHO\r\n$%d\r\n%b\r\n"


class Call:
    """One command and who waits for it.

    Attributes:
        packed: the bytes to send.
        future: gets the reply, or a `StoreError` as its *result*: a failure nobody waits for must not be logged.
        deadline: in loop time; the caller hears by then.
        tag: what the first element of the reply must be, for scripts.
        whole: sent instead if Redis does not know the script.
        hops: nodes of a cluster that sent it on to another one.
        asking: sent with ASKING in front, which lets a node answer for a slot that is on its way to it.

    Raises:
        TypeError, UnicodeEncodeError: the command has something in it that cannot be sent.
    """

    __slots__ = ("asking", "deadline", "future", "hops", "packed", "tag", "whole")

    def __init__(
        self,
        command: Command | ScriptCall,
        future: "asyncio.Future[Any]",
        deadline: float,
        tag: bytes | None = None,
        whole: Command | ScriptCall | None = None,
    ) -> None:
        if type(command) is ScriptCall:
            self.packed, tag, whole = command.by_digest, command.key, command
        else:
            # Here and not in the batch, so that what cannot be sent fails its own caller only.
            self.packed = _pack(command)  # type: ignore[arg-type]
        self.future = future
        self.deadline = deadline
        self.tag = tag
        self.whole = whole
        self.hops = 0
        self.asking = False

    def settle(self, reply: Any) -> None:
        """Give the caller its reply, or a `StoreError`, unless it has left."""
        if not self.future.done():
            self.future.set_result(reply)


class Lane:
    """Carries one batch at a time. Opens its link when it needs one.

    Args:
        open_link: opens a link; looks the host up anew each time.
        mark: distinguishes this lane's check values from every other lane's and process's.
    """

    def __init__(self, open_link: OpenLink, *, mark: str) -> None:
        self._open_link = open_link
        self._marks = (f"{mark}:{n}".encode() for n in itertools.count())
        self._link: AbstractConnection | None = None
        self._stream: ReplyStream | None = None
        self._stale = False
        self.sent_at: float | None = None

    @property
    def connected(self) -> bool:
        """Whether there is an open link."""
        return self._link is not None and self._link.is_connected

    async def open(self) -> None:
        """See that there is a link without anything left over in it.

        Raises:
            StoreUnavailable: no link could be opened.
        """
        try:
            if self._stream is not None and not self._stale and self.connected and self._stream.intact:
                return
            await self.close()
        except StoreUnavailable:
            raise
        except Exception as error:
            # Broad because redis-py raises what its transport does.
            raise failure(error, sent=False) from error
        self._stale = False
        self._link = await self._open_link()
        self._stream = await replies_of(self._link)

    async def carry(self, calls: Sequence[Call]) -> list[Any]:
        """Send `calls` and return their replies in order; an error reply is an exception in the list.

        Raises:
            StoreUnavailable: no reply of the batch may be relied on; the link is closed.
        """
        assert self._stream is not None
        try:
            self.sent_at = asyncio.get_running_loop().time()
            return await self._converse(self._stream, calls)
        except StoreUnavailable:
            raise
        except Exception as error:
            # Broad because garbage makes the parser raise nearly anything, and it all means the same: out of step.
            raise failure(error, sent=True) from error
        finally:
            self.sent_at = None

    def expire(self) -> None:
        """Give the batch under way up, at once."""
        if self._stream is not None and self.sent_at is not None:
            self._stream.fail(TimeoutError())

    def refresh(self) -> None:
        """Open a new link for the next batch."""
        self._stale = True

    async def close(self) -> None:
        """Close the link, if there is one."""
        link, self._link, self._stream = self._link, None, None
        if link is not None:
            await link.disconnect(nowait=True)

    async def _converse(self, stream: ReplyStream, calls: Sequence[Call]) -> list[Any]:
        """One round trip; a second one only for scripts that Redis does not know (any more)."""
        intact = False
        try:
            replies = await self._round_trip(stream, calls, [call.packed for call in calls])
            unknown = [n for n, reply in enumerate(replies) if isinstance(reply, NoScriptError) and calls[n].whole]
            if unknown:
                some = [calls[n] for n in unknown]
                again = await self._round_trip(stream, some, [_pack_whole(call.whole) for call in some])
                for n, reply in zip(unknown, again, strict=True):
                    replies[n] = reply
            _check_tags(calls, replies)
            intact = True
            return replies
        finally:
            if not intact:
                await self.close()

    async def _round_trip(self, stream: ReplyStream, calls: Sequence[Call], packed: list[bytes]) -> list[Any]:
        # The ECHO behind the batch comes back last, and as sent, only if every reply before it is one of this batch.
        mark = next(self._marks)
        asking = [n for n, call in enumerate(calls) if call.asking]
        for n in asking:
            packed[n] = _ASKING + packed[n]
        packed.append(_ECHO % (len(mark), mark))
        replies = await stream.ask(packed, len(packed) + len(asking))
        for n in asking:
            del replies[n]  # what was said to ASKING; those before it are gone already
        echo = replies.pop()
        if isinstance(echo, ResponseError):
            raise echo
        if echo != mark:
            raise StoreUnavailable("garbage", "the replies are out of step with the commands")
        return replies


def _pack_whole(whole: Command | ScriptCall | None) -> bytes:
    return whole.by_source if isinstance(whole, ScriptCall) else _pack(whole or ())


def _check_tags(calls: Sequence[Call], replies: Sequence[Any]) -> None:
    for call, reply in zip(calls, replies, strict=True):
        if call.tag is None or isinstance(reply, Exception):
            continue
        if not isinstance(reply, list) or not reply or reply[0] != call.tag:
            raise StoreUnavailable("garbage", "a reply belongs to another key")
