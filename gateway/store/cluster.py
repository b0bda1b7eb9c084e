"""Redis Cluster: each call goes to the node that has its first key, and follows the keys when they move.

Rules:
- A call is redirected at most twice. Its deadline stays that of the node that took it first.
- A redirection corrects the map at once; the whole map is read again soon after, also when a node is lost.
- Where the map knows nothing, `entrance` is asked: some node of the URL, which redirects.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from itertools import count
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AskError, ClusterDownError, MovedError, ReadOnlyError, ResponseError, TryAgainError

from gateway.store.address import Host, RedisAddress
from gateway.store.errors import StoreUnavailable
from gateway.store.lane import Call, Command
from gateway.store.links import Links, answers
from gateway.store.node import Bounds, Node
from gateway.store.scripts import ScriptCall
from gateway.store.slots import SLOTS, SlotMap, first_key, read_slots, slot_of

logger = logging.getLogger(__name__)

_HOPS = 2  # redirections of one call
_AGAIN = 0.005  # seconds before a call is tried again while its keys lie on two nodes
_ASKED = 5  # nodes asked for the map at a time
_PATIENCE = 0.03  # seconds for the other nodes after the first has sent its map
_REST = 0.1  # seconds between two readings of the map


class Cluster:
    """The way to all nodes; the same to its owner as one `Node`.

    Args:
        address: of kind cluster.
        probe: makes a key to write out of a hash tag.
        on_change: told when `healthy` or `serving` may be another than before.
    """

    def __init__(
        self,
        address: RedisAddress,
        bounds: Bounds,
        *,
        connect_timeout: float,
        probe: Callable[[str], str],
        on_change: Callable[[], None],
    ) -> None:
        self.healthy = False
        self.serving = True
        self.why = "the cluster has not been asked yet"
        self._seeds = address.hosts
        self._links = Links(address.url, connect_timeout=connect_timeout)
        self._bounds = bounds
        self._probe = probe
        self._on_change = on_change
        self._entrance = Node(
            self._open_any, bounds, probe=lambda: probe("any"), on_change=lambda: None, redirect=self._redirect
        )
        self._nodes: dict[Host, Node] = {}
        self._retired: set[Node] = set()
        self._owners: list[Node | None] = [None] * SLOTS
        self._moved: dict[int, Node] = {}
        self._watched = False
        self._closed = False
        self._reading: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._read_after = 0.0

    @property
    def watched(self) -> bool:
        """As in `Node`."""
        return self._watched

    @watched.setter
    def watched(self, watched: bool) -> None:
        self._watched = watched
        for node in self._nodes.values():
            node.watched = watched

    @property
    def trips(self) -> int:
        """How often the breakers of the present nodes opened."""
        return sum(node.trips for node in (self._entrance, *self._nodes.values()))

    def submit(
        self, command: Command | ScriptCall, tag: bytes | None = None, whole: Command | None = None
    ) -> "asyncio.Future[Any]":
        """As in `Node`."""
        node = self._owners[slot_of(first_key(command))] or self._entrance
        if not node.serving or node is self._entrance:
            self._read_soon()
        return node.submit(command, tag, whole)

    async def submit_everywhere(self, command: Command) -> list[Any]:
        """As `submit`, to every master. The command must have no keys."""
        if None in self._owners:
            await self._read()
        return await asyncio.gather(*(node.submit(command) for node in self._nodes.values() or (self._entrance,)))

    async def look(self) -> None:
        """As in `Node`, for all of them."""
        if not self.healthy:
            self._read_soon()
        await asyncio.gather(*(node.look() for node in self._nodes.values()))

    async def open_link(self, key: str) -> AbstractConnection:
        """As in `Node`, to the one that has `key`."""
        node = self._owners[slot_of(key)]
        if node is None or not node.serving:
            await self._read()
            node = self._owners[slot_of(key)] or self._entrance
        try:
            return await node.open_link(key)
        except StoreUnavailable:
            self._read_soon()
            raise

    async def close(self) -> None:
        """As in `Node`, for all of them."""
        self._closed = True
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await asyncio.gather(*self._closing)
        for node in (self._entrance, *self._nodes.values(), *self._retired):
            await node.close()

    # Calls that must go elsewhere

    def _redirect(self, node: Node, call: Call, reply: ResponseError) -> bool:
        """Whether `call` goes on instead of hearing `reply` from `node`."""
        match reply:
            case MovedError():
                target = self._at(reply, node)
                self._owners[reply.slot_id] = self._moved[reply.slot_id] = target
                self._read_soon()
                call.asking = False
            case AskError():  # for this call only: the slot still belongs to `node`
                target = self._at(reply, node)
                call.asking = True
            case TryAgainError():
                loop = asyncio.get_running_loop()
                if loop.time() + _AGAIN >= call.deadline:
                    return False
                loop.call_later(_AGAIN, node.take_over, call)
                return True
            case ReadOnlyError() | ClusterDownError():
                self._read_soon()
                return False
            case _:
                return False
        call.hops += 1
        if call.hops > _HOPS:
            return False
        if target.serving:
            target.take_over(call)
        else:
            call.settle(StoreUnavailable("open", "the node that has the key did not answer lately", sent=False))
        return True

    def _at(self, reply: AskError, node: Node) -> Node:
        # A node that does not know its own host leaves it out: it is the one that was asked.
        asked = next((host for host, known in self._nodes.items() if known is node), self._seeds[0])
        return self._node((reply.host if reply.host not in ("", "?") else asked[0], reply.port))

    # The map

    def _read_soon(self) -> None:
        loop = asyncio.get_running_loop()
        if self._closed or (self._reading is not None and not self._reading.done()) or loop.time() < self._read_after:
            return
        self._read_after = loop.time() + _REST
        self._reading = loop.create_task(self._read())

    async def _read(self) -> None:
        known = random.sample(list(self._nodes), min(_ASKED, len(self._nodes)))
        self._moved.clear()
        hosts = [*known, *(seed for seed in self._seeds if seed not in known)]
        try:
            maps = await answers((self._ask(host) for host in hosts), patience=_PATIENCE)
        except StoreUnavailable as error:
            self.why = f"no node tells who has which keys: {error.detail}"
            logger.debug("%s", self.why)
            return
        # The most common one: a node that was cut off still has its old map.
        self._adopt(max(maps, key=maps.count))

    async def _ask(self, host: Host) -> SlotMap:
        reply = await self._links.ask(host, "CLUSTER", "SLOTS")
        try:
            found = read_slots(reply, host)
        except ValueError as error:
            raise StoreUnavailable("garbage", str(error), sent=False) from error
        if not found:
            raise StoreUnavailable("clusterdown", "the node knows of no slots", sent=False)
        return found

    def _adopt(self, found: SlotMap) -> None:
        if self._closed:
            return
        owners: list[Node | None] = [None] * SLOTS
        for first, last, host in found:
            owners[first : last + 1] = [self._node(host)] * (last + 1 - first)
        for slot, node in self._moved.items():  # it was told while the nodes were asked
            owners[slot] = node
        self._owners = owners
        for host, node in list(self._nodes.items()):
            if node not in owners:
                self._retire(self._nodes.pop(host))
        self._changed()

    # Nodes come and go

    def _node(self, host: Host) -> Node:
        found = self._nodes.get(host)
        if found is None:
            found = self._nodes[host] = Node(
                lambda: self._links.open(host),
                self._bounds,
                probe=lambda: self._probe(self._tag_of(self._nodes.get(host))),
                on_change=self._changed,
                redirect=self._redirect,
            )
            found.watched = self._watched
            with contextlib.suppress(StoreUnavailable):
                found.submit(("PING",))  # so that it is known to answer before it is needed
        return found

    def _tag_of(self, node: Node | None) -> str:
        """A hash tag whose keys are on `node`."""
        if node is None or node not in self._owners:
            return "any"
        return next(tag for n in count() if self._owners[slot_of(tag := f"{n:x}")] is node)

    def _retire(self, node: Node) -> None:
        """Close a node once the last of its calls has ended."""

        def close() -> None:
            if not self._closed:
                self._retired.discard(node)
                task = asyncio.get_running_loop().create_task(node.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)

        self._retired.add(node)
        asyncio.get_running_loop().call_later(2 * self._bounds.op_timeout, close)

    async def _open_any(self) -> AbstractConnection:
        hosts = (*self._nodes, *self._seeds)

        async def reachable(host: Host) -> Host:
            await self._links.ask(host, "PING")
            return host

        found = await answers((reachable(host) for host in hosts), patience=0)
        return await self._links.open(found[0])

    def _changed(self) -> None:
        nodes = self._nodes.values()
        self.serving = all(node.serving for node in nodes)
        complete = None not in self._owners
        self.healthy = complete and self.serving and any(node.healthy for node in nodes)
        if not complete:
            self.why = "some slots have no node"
        elif not self.serving:
            self.why = next((node.why for node in nodes if not node.serving), "")
            self._read_soon()
        self._on_change()
