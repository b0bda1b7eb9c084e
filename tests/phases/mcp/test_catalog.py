"""When the gateway looks at a server's tools: at first use, when the server says so, and now and then."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from gateway.phases.mcp.catalog import Catalog
from gateway.phases.mcp.listing import NotListed
from gateway.store.errors import StoreUnavailable
from gateway.store.tool_definitions import Definition
from gateway.store.tool_pins import Pin, Pins
from gateway.upstream.mcp_servers import MCPServer

FILES = MCPServer("files", "http://127.0.0.1:1/mcp")
ELSEWHERE = MCPServer("files", "http://127.0.0.1:2/mcp")


class Lists:
    """Lists that a test makes up; looks wait while `open` is not set."""

    def __init__(self) -> None:
        self.tools_now: list[Any] | None = [{"name": "add"}]
        self.looks = 0
        self.open = asyncio.Event()
        self.open.set()

    async def tools(self, server: MCPServer) -> list[Any]:
        self.looks += 1
        found = self.tools_now
        await self.open.wait()
        if found is None:
            raise NotListed("it does not want to")
        return list(found)


class Kept:
    """What a test wants pins to be."""

    def __init__(self) -> None:
        self.noted: list[dict[str, Sequence[str]]] = []
        self.gone = False

    def of(self, server: str) -> Pins | None:
        return {} if self.noted else None

    async def note(
        self, server: str, listed: Mapping[str, Definition], findings: Callable[[Definition], Sequence[str]]
    ) -> dict[str, Pin]:
        if self.gone:
            raise StoreUnavailable("timeout")
        self.noted.append({name: findings(one) for name, one in listed.items()})
        return {name: Pin(one.hash, one.hash) for name, one in listed.items()}


class World:
    def __init__(self) -> None:
        self.now = 1000.0
        self.lists, self.kept = Lists(), Kept()
        self.told: list[tuple[str, bool]] = []
        self.catalog = Catalog(
            self.lists,
            self.kept,
            clock=lambda: self.now,
            told=lambda server, _, first: self.told.append((server, first)),
        )


async def test_a_look_holds_for_minutes() -> None:
    world = World()
    assert world.catalog.known(FILES) is None and world.catalog.last(FILES) is None
    known = await world.catalog.look(FILES)
    assert known is not None and set(known.offered) == {"add"} and world.catalog.known(FILES) is known
    assert world.told == [("files", True)]
    world.now += 299
    assert world.catalog.known(FILES) is known and world.catalog.known(ELSEWHERE) is None
    world.now += 2
    assert world.catalog.known(FILES) is None and world.catalog.last(FILES) is known


async def test_all_who_wait_share_one_look() -> None:
    world = World()
    world.lists.open.clear()
    looking = [asyncio.create_task(world.catalog.look(FILES)) for _ in range(5)]
    await asyncio.sleep(0)
    looking[0].cancel()  # one that leaves takes nobody's look along
    world.lists.open.set()
    assert [known is not None for known in await asyncio.gather(*looking[1:])] == [True] * 4
    assert world.lists.looks == 1


async def test_a_change_that_is_told_during_a_look_is_looked_at_again() -> None:
    world = World()
    world.lists.open.clear()
    looking = asyncio.create_task(world.catalog.look(FILES))
    while not world.lists.looks:
        await asyncio.sleep(0)
    world.lists.tools_now = [{"name": "other"}]
    world.now -= 10  # so that the next look need not pause
    world.catalog.stale(FILES)
    world.now += 20
    world.lists.open.set()
    known = await looking
    assert known is not None and set(known.offered) == {"other"} and world.lists.looks == 2


async def test_a_server_that_tells_changes_all_the_time_is_not_looked_at_all_the_time() -> None:
    world = World()
    await world.catalog.look(FILES)
    for _ in range(100):
        world.catalog.stale(FILES)
        await asyncio.sleep(0)
    assert world.lists.looks == 1 and world.catalog.known(FILES) is None
    world.catalog._looking["files"].cancel()


async def test_a_doubt_looks_again_at_once_and_then_not_more_often_than_it_may() -> None:
    world = World()
    await world.catalog.look(FILES)
    world.now += 2
    world.catalog.doubt(FILES)
    assert world.catalog.known(FILES) is None  # nothing is called before
    await world.catalog.look(FILES)
    assert world.lists.looks == 2
    world.now += 2
    world.catalog.doubt(FILES)
    assert world.catalog.known(FILES) is not None
    world.now += 31
    assert world.catalog.known(FILES) is None  # the doubt was not forgotten
    await world.catalog.look(FILES)
    assert world.lists.looks == 3
    world.now += 31
    assert world.catalog.known(FILES) is not None


async def test_a_server_that_does_not_answer_leaves_what_was_known() -> None:
    world = World()
    await world.catalog.look(FILES)
    world.lists.tools_now = None
    world.now += 400
    known = await world.catalog.look(FILES)
    assert known is not None and known.failed and set(known.offered) == {"add"}
    assert world.catalog.known(FILES) is known
    world.now += 31
    assert world.catalog.known(FILES) is None
    first = World()
    first.lists.tools_now = None
    nothing = await first.catalog.look(FILES)
    assert nothing is not None and nothing.failed and not nothing.definitions


async def test_what_cannot_be_compared_with_the_pins_is_not_known() -> None:
    world = World()
    world.kept.gone = True
    with pytest.raises(StoreUnavailable):
        await world.catalog.look(FILES)
    assert world.catalog.known(FILES) is None
    world.kept.gone = False
    assert await world.catalog.look(FILES) is not None


async def test_texts_of_every_member_are_looked_at() -> None:
    world = World()
    schema = {"properties": {"a": {"description": "<IMPORTANT>"}, "b\u200b": {}}}
    world.lists.tools_now = [{"name": "add\u202e", "title": "Add", "inputSchema": schema}, {"name": "plain"}]
    await world.catalog.look(FILES)
    (noted,) = world.kept.noted
    assert noted["plain"] == ()
    assert noted["add\u202e"] == ("inputSchema: instructions", "inputSchema: zero_width", "name: bidi")
