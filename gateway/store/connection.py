"""The gateway's way to Redis, be it one server, the master of a Sentinel service, or a cluster."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import MovedError, ResponseError

from gateway.store.address import RedisAddress, read_address
from gateway.store.cluster import Cluster
from gateway.store.errors import StoreError, StoreUnavailable
from gateway.store.keys import Keys
from gateway.store.lane import Argument, Call
from gateway.store.links import Links, OpenLink
from gateway.store.node import Bounds, Node
from gateway.store.scripts import ScriptCall, load_scripts
from gateway.store.sentinel import Sentinels

logger = logging.getLogger(__name__)

_TICK = 0.25  # seconds between two looks of `watch`

_SLOW = frozenset({"timeout", "open"})
_FAILING_OVER = _SLOW | {"connection", "readonly", "loading", "masterdown", "clusterdown"}


class Connection:
    """Redis at `url`, for one event loop.

    Args:
        url: one of the forms in `address`.
        prefix: of every key the gateway uses.
        op_timeout: seconds a caller waits, including queueing, connecting and being sent on to another node.
        connect_timeout: seconds for opening a link, in the background of calls that have given up.
        lanes: links to a server, so batches under way at a time.
        max_batch: commands in one batch.
        max_queue: calls waiting for a lane; more are refused.
        jitter: a number in [0, 1) for the breakers.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "leuko:",
        op_timeout: float = 0.05,
        connect_timeout: float = 0.2,
        lanes: int = 2,
        max_batch: int = 512,
        max_queue: int = 16_384,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.keys = Keys(prefix)
        self.on_change: list[Callable[[bool], None]] = []
        self.healthy = False
        self.known_scripts = load_scripts()
        bounds = Bounds(op_timeout, lanes, max_batch, max_queue, jitter)
        address = read_address(url)
        self._duties: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._passing = _SLOW if address.kind == "server" else _FAILING_OVER
        if address.kind == "cluster":
            self._way: Node | Cluster = Cluster(
                address, bounds, connect_timeout=connect_timeout, probe=self.keys.probe, on_change=self._report
            )
        else:
            self._way = self._one_server(address, bounds, connect_timeout)
        self.submit = self._way.submit

    @property
    def serving(self) -> bool:
        """Nothing says that Redis is lost; it may not have been asked yet."""
        return self._way.serving

    @property
    def trips(self) -> int:
        """How often Redis was given up for a while."""
        return self._way.trips

    async def execute(self, *command: Argument) -> Any:
        """Send one command; the reply as RESP2 has it: bytes, int, list or None.

        Raises:
            StoreUnavailable: no reply to rely on. The command may have been carried out if `sent`.
            CommandRefused: an error reply to this command.
        """
        return _unwrap(await self.submit(command))

    async def execute_everywhere(self, *command: Argument) -> list[Any]:
        """One command without keys to every server that holds data; the replies. Errors as in `execute`."""
        return [_unwrap(reply) for reply in await self._way.submit_everywhere(command)]

    async def script(self, name: str, keys: Sequence[str], args: Sequence[Argument] = ()) -> list[Any]:
        """Run a script of `lua/`; its reply without the tag in front. Errors as in `execute`."""
        reply: list[Any] = _unwrap(await self._submit_script(name, keys, args))
        return reply[1:]

    async def scripts(
        self, name: str, calls: Sequence[tuple[Sequence[str], Sequence[Argument]] | ScriptCall]
    ) -> list[list[Any] | StoreError]:
        """Run one script many times in as few round trips as possible. A failure stands in the list, in its place."""
        futures: list[asyncio.Future[Any]] = []
        results: list[list[Any] | StoreError] = []
        refusal: StoreUnavailable | None = None
        for call in calls:
            try:
                futures.append(self.submit(call) if isinstance(call, ScriptCall) else self._submit_script(name, *call))
            except StoreUnavailable as error:
                refusal = error.again()
                break
        for future in futures:
            reply = await future
            results.append(reply if isinstance(reply, StoreError) else reply[1:])
        if refusal is not None:
            results += [refusal] * (len(calls) - len(futures))
        return results

    async def reach(self, within: float = 5.0) -> None:
        """Wait until every server has answered: first links may take longer than a call may wait, failovers too.

        Raises:
            StoreUnavailable: they cannot be reached, or have not answered `within` seconds.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while True:
                    try:
                        await self.execute_everywhere("PING")
                        return
                    except StoreUnavailable as error:
                        if error.reason not in self._passing:
                            raise
                    await asyncio.sleep(0.02)
        await self.execute_everywhere("PING")

    async def open_link(self, key: str) -> AbstractConnection:
        """A link of the caller's own to the server that has `key` now, for what the lanes cannot do, such as Pub/Sub.

        Use its `send_command` and `read_response`; replies have no time-out. Close it with `disconnect(nowait=True)`,
        after any error too, and open another one: the server may have moved.

        Raises:
            StoreUnavailable: no link could be opened.
        """
        return await self._way.open_link(key)

    async def watch(self) -> None:
        """Notice loss and recovery without traffic, until cancelled. While it runs, it alone tries a lost store."""
        self._way.watched = True
        try:
            async with asyncio.TaskGroup() as group:
                for duty in self._duties:
                    group.create_task(duty())
                while True:
                    await self._way.look()
                    await asyncio.sleep(_TICK)
        finally:
            self._way.watched = False

    async def close(self) -> None:
        """Fail what waits, close the links. The connection cannot be used again."""
        await self._way.close()

    def _one_server(self, address: RedisAddress, bounds: Bounds, connect_timeout: float) -> Node:
        node: Node
        if address.kind == "sentinel":
            sentinels = Sentinels(address, connect_timeout=connect_timeout, on_move=lambda: node.refresh())
            self._duties.append(sentinels.watch)
            open_link: OpenLink = sentinels.open
        else:
            open_link = Links(address.url, connect_timeout=connect_timeout).open
        node = Node(
            open_link,
            bounds,
            probe=lambda: self.keys.probe("all"),
            on_change=self._report,
            redirect=_say_how_to_name_it,
        )
        return node

    def _submit_script(self, name: str, keys: Sequence[str], args: Sequence[Argument]) -> "asyncio.Future[Any]":
        script = self.known_scripts[name]
        rest = (len(keys), *keys, *args)
        whole = ("EVAL", script.source, *rest)
        return self.submit(("EVALSHA", script.digest, *rest), keys[0].encode(), whole)

    def _report(self) -> None:
        healthy = self._way.healthy
        if healthy is self.healthy:
            return
        self.healthy = healthy
        logger.log(
            logging.INFO if healthy else logging.WARNING,
            "Redis is %s",
            "there" if healthy else f"lost: {self._way.why}",
        )
        for listener in self.on_change:
            try:
                listener(healthy)
            except Exception:  # a listener's defect must not end the lane that reports
                logger.exception("a listener to the state of Redis failed")


def _say_how_to_name_it(node: Node, call: Call, reply: ResponseError) -> bool:
    if not isinstance(reply, MovedError):
        return False
    call.settle(
        StoreUnavailable("moved", "the server belongs to a cluster; redis+cluster:// is how to name one", sent=False)
    )
    return True


def _unwrap(reply: Any) -> Any:
    if isinstance(reply, StoreError):
        raise reply.again()
    return reply
