"""What this replica knows of the tools of MCP servers: looked at before they are first used, and again now and then.

A look is of the gateway itself (see `listing`): what one caller is shown changes nothing here.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from gateway.model.ask import OfferedTool
from gateway.model.value import value
from gateway.phases.mcp.listing import NotListed
from gateway.store.control import ChangeConflict
from gateway.store.errors import StoreUnavailable
from gateway.store.tool_definitions import Definition, read_tools, texts_of
from gateway.store.tool_pins import Pin, Pins
from gateway.upstream.mcp_servers import MCPServer
from gateway.wire.hidden_text import findings_in

log = logging.getLogger(__name__)

EVERY_SECONDS = 300.0
_AGAIN_SECONDS = 30.0
"""After a look that failed, and between two that something a caller was shown gave a reason for."""
_PAUSE_SECONDS = 1.0
"""Between two looks at the least: a server may say every moment that its tools have changed."""
_BIG = 100
"""Tools that are read in another thread."""


class Lists(Protocol):
    """Asks a server for its tools; see `listing`."""

    async def tools(self, server: MCPServer) -> list[Any]:
        """Raises NotListed."""


class Keeping(Protocol):
    """What is pinned, on all replicas; see `store.tool_pins`."""

    def of(self, server: str) -> Pins | None: ...

    async def note(
        self, server: str, listed: Mapping[str, Definition], findings: Callable[[Definition], Sequence[str]]
    ) -> dict[str, Pin]:
        """Raises StoreUnavailable, ChangeConflict."""


@value
class Known:
    """One look. `offered` has the tools as rules see them; both empty where the server told nothing, `failed` then."""

    url: str
    at: float
    definitions: Mapping[str, Definition]
    offered: Mapping[str, OfferedTool]
    failed: bool = False


class Catalog:
    """Looks at servers.

    Args:
        clock: monotonic seconds.
        told: hears in memory what is not as it was: the server, the pins by tool, and whether that is all of them.
        every: seconds after which a look is an old one.
    """

    def __init__(
        self,
        lists: Lists,
        pins: Keeping,
        *,
        clock: Callable[[], float],
        told: Callable[[str, Mapping[str, Pin], bool], None] = lambda server, pins, first: None,
        every: float = EVERY_SECONDS,
    ) -> None:
        self._lists = lists
        self._pins = pins
        self._clock = clock
        self._told = told
        self._every = every
        self._known: dict[str, Known] = {}
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._stale: set[str] = set()
        self._doubted: dict[str, float] = {}
        self._doubts: set[str] = set()

    def known(self, server: MCPServer) -> Known | None:
        """The last look, if it holds; None: `look` first."""
        found = self.last(server)
        if server.name in self._doubts:
            self.doubt(server)
        if found is None or server.name in self._stale:
            return None
        return found if self._clock() - found.at < (_AGAIN_SECONDS if found.failed else self._every) else None

    def last(self, server: MCPServer) -> Known | None:
        """The last look, however old."""
        found = self._known.get(server.name)
        return found if found is not None and found.url == server.url else None

    def stale(self, server: MCPServer) -> None:
        """The server says that its tools are not what they were: look again, now, before anything else is called."""
        self._stale.add(server.name)
        self._begin(server)

    def doubt(self, server: MCPServer) -> None:
        """A caller was shown something else than the last look: look again, now or, after a look for the same reason,
        when it may be done again. A server may show every caller another list."""
        now = self._clock()
        if now - self._doubted.get(server.name, float("-inf")) > _AGAIN_SECONDS:
            self._doubted[server.name] = now
            self._doubts.discard(server.name)
            self.stale(server)
        else:
            self._doubts.add(server.name)

    async def look(self, server: MCPServer) -> Known | None:
        """A look that holds; an old one, or None, where the server told nothing. Raises StoreUnavailable where it could
        not be compared with what is pinned."""
        await asyncio.shield(self._begin(server))
        if server.name in self._stale:  # since that look began
            await asyncio.shield(self._begin(server))
        return self.last(server)

    def _begin(self, server: MCPServer) -> "asyncio.Task[None]":
        """The look that is under way, else a new one."""
        looking = self._looking.get(server.name)
        if looking is None or looking.done():
            looking = self._looking[server.name] = asyncio.create_task(self._look(server))
            looking.add_done_callback(_noted)
        return looking

    async def _look(self, server: MCPServer) -> None:
        last = self.last(server)
        if last is not None and (left := last.at + _PAUSE_SECONDS - self._clock()) > 0:
            await asyncio.sleep(left)
        self._stale.discard(server.name)
        try:
            tools = await self._lists.tools(server)
        except NotListed as problem:
            log.warning("MCP server %s does not say which tools it has: %s", server.name, problem)
            definitions, offered = (last.definitions, last.offered) if last is not None else ({}, {})
            self._known[server.name] = Known(server.url, self._clock(), definitions, offered, failed=True)
            return
        before = self._pins.of(server.name)
        read, found = await asyncio.to_thread(_read, tools, before) if len(tools) > _BIG else _read(tools, before)
        try:
            changed = await self._pins.note(
                server.name, read, lambda one: found[one.name] if one.name in found else _findings(one)
            )
        except (StoreUnavailable, ChangeConflict):
            self._stale.add(server.name)
            raise StoreUnavailable("closed", "what is pinned of tools is not known") from None
        self._known[server.name] = Known(server.url, self._clock(), read, _offered(read))
        if changed:
            self._told(server.name, changed, before is None)


def _read(tools: list[Any], known: Pins | None) -> tuple[dict[str, Definition], dict[str, tuple[str, ...]]]:
    """Definitions, and what was found in the texts of those that are not known."""
    read, known = read_tools(tools), known or {}
    fresh = [one for one in read.values() if (pin := known.get(one.name)) is None or pin.seen != one.hash]
    return read, {one.name: _findings(one) for one in fresh}


def _findings(definition: Definition) -> tuple[str, ...]:
    """What is in its texts, as `member: finding`."""
    texts: dict[str, list[str]] = {}
    for member, text in texts_of(definition.document):
        texts.setdefault(member, []).append(text)
    return tuple(f"{member}: {found}" for member in sorted(texts) for found in findings_in(texts[member]))


def _offered(definitions: Mapping[str, Definition]) -> dict[str, OfferedTool]:
    return {
        name: OfferedTool(name, "function", {"input_schema": one.document.get("inputSchema")})
        for name, one in definitions.items()
    }


def _noted(looking: "asyncio.Task[None]") -> None:
    """Nobody may be waiting for it any more."""
    error = None if looking.cancelled() else looking.exception()
    if error is not None and not isinstance(error, StoreUnavailable):
        log.error("looking at the tools of an MCP server failed", exc_info=error)
