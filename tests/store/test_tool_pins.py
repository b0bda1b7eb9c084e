"""Pins of tools: one for all replicas, kept through the loss of Redis, changed by operators only."""

import asyncio
import time
from typing import Any

import pytest

from gateway.store.approval_record import Approval
from gateway.store.connection import Connection
from gateway.store.control import Control
from gateway.store.errors import StoreUnavailable
from gateway.store.tool_definitions import MOST, Definition, read_tools
from gateway.store.tool_pins import NotApprovable, ToolPins, UnknownTool
from tests.store.test_control import replica


def listed(*names: str, **described: str) -> dict[str, Definition]:
    tools = [{"name": name} for name in names]
    return read_tools([*tools, *({"name": name, "description": text} for name, text in described.items())])


def nothing(definition: Definition) -> tuple[str, ...]:
    return ()


@pytest.fixture
def pins(connection: Connection) -> ToolPins:
    return ToolPins(Control(connection, clock=time.monotonic), connection, clock=lambda: 1.8e9)


def states(pins: ToolPins) -> dict[str, str]:
    return {name: pin.state for name, pin in (pins.of("files") or {}).items()}


async def test_what_is_there_at_first_is_pinned_and_what_comes_later_is_new(pins: ToolPins) -> None:
    assert pins.of("files") is None
    assert set(await pins.note("files", listed("a", "b"), nothing)) == {"a", "b"}
    assert states(pins) == {"a": "pinned", "b": "pinned"} and pins.servers == ("files",)
    assert await pins.note("files", listed("a", "b"), nothing) == {}
    assert set(await pins.note("files", listed("a", "b", "c"), lambda one: ("found",))) == {"c"}
    assert states(pins)["c"] == "new" and pins.of("files")["c"].findings == ("found",)  # type: ignore[index]


async def test_a_change_holds_until_the_new_definition_is_approved_and_both_are_kept(pins: ToolPins) -> None:
    await pins.note("files", listed(a="one"), nothing)
    await pins.note("files", listed(a="two"), nothing)
    pin = (pins.of("files") or {})["a"]
    assert pin.state == "changed" and pin.changed_at == 1.8e9 and pin.pinned and pin.seen
    kept = await pins.definitions("files", {pin.pinned, pin.seen, "unknown"})
    assert kept == {pin.pinned: {"name": "a", "description": "one"}, pin.seen: {"name": "a", "description": "two"}}
    with pytest.raises(NotApprovable):
        await pins.approve("files", "a", "root", expected=pin.pinned)
    approved, _ = await pins.approve("files", "a", "root", expected=pin.seen)
    assert (approved.state, approved.pinned, approved.by) == ("pinned", pin.seen, "root")
    assert list(await pins.definitions("files", {pin.pinned, pin.seen})) == [pin.seen]
    assert (await pins.approve("files", "a", "other"))[0].by == "root"  # nothing to approve


async def test_a_definition_that_is_what_it_was_again_needs_nobody(pins: ToolPins) -> None:
    for text, state in (("one", "pinned"), ("two", "changed"), ("one", "pinned"), ("three", "changed")):
        await pins.note("files", listed(a=text), nothing)
        assert states(pins) == {"a": state}


async def test_a_tool_that_was_away_comes_back_as_it_was_or_is_held(pins: ToolPins) -> None:
    await pins.note("files", listed("b", a="one"), nothing)
    await pins.note("files", listed("b"), nothing)
    pin = (pins.of("files") or {})["a"]
    assert (pin.state, pin.seen) == ("pinned", None)
    await pins.note("files", listed("b", a="two"), nothing)
    assert states(pins)["a"] == "changed"


async def test_a_new_tool_is_one_until_it_is_approved_even_if_it_changes(pins: ToolPins) -> None:
    await pins.note("files", {}, nothing)
    await pins.note("files", listed(a="one"), nothing)
    await pins.note("files", listed(a="two"), nothing)
    assert states(pins)["a"] == "changed"
    await pins.note("files", listed(a="one"), nothing)
    assert states(pins)["a"] == "new"
    await pins.approve("files", "a", "root")
    assert states(pins)["a"] == "pinned"


async def test_what_cannot_be_pinned_is_seen_and_cannot_be_approved(pins: ToolPins) -> None:
    twice = read_tools([{"name": "a"}, {"name": "a", "title": "A"}])
    await pins.note("files", twice, nothing)
    assert states(pins) == {"a": "seen"}
    with pytest.raises(NotApprovable, match="twice"):
        await pins.approve("files", "a", "root")
    with pytest.raises(UnknownTool):
        await pins.approve("files", "b", "root")
    with pytest.raises(UnknownTool):
        await pins.approve("other", "a", "root")
    await pins.note("files", listed(a="one"), nothing)
    assert states(pins) == {"a": "new"}
    await pins.note("files", twice, nothing)
    assert states(pins) == {"a": "seen"}


async def test_a_server_cannot_fill_the_memory_with_names(pins: ToolPins) -> None:
    await pins.note("files", listed("first"), nothing)
    for start in (0, MOST, 2 * MOST):
        await pins.note("files", listed(*(f"t{number}" for number in range(start, start + MOST))), nothing)
    assert len(pins.of("files") or {}) == MOST + 1 and states(pins)["first"] == "pinned"
    assert list(states(pins).values()).count("seen") == 1


async def test_all_replicas_know_the_same(redis_url: str) -> None:
    async with replica(redis_url) as one, replica(redis_url) as other:
        here, there = (ToolPins(control, control._connection, clock=time.time) for control in (one, other))
        await asyncio.gather(
            here.note("files", listed(a="one"), nothing), there.note("files", listed(a="one"), nothing)
        )
        await other.refresh()
        assert states(here) == states(there) == {"a": "pinned"}
        await there.note("files", listed(a="two"), nothing)
        await one.refresh()
        assert states(here) == {"a": "changed"}
        asked = Approval("apr_1", "tool_definition", "mcp:files", "approved", 0, 0, "files/a", decided_by="root")
        wrong: Any = here.approved(asked)
        await wrong  # for another definition: nothing happens
        assert states(here) == {"a": "changed"}
        seen = (here.of("files") or {})["a"].seen or ""
        await here.approved(
            Approval(
                *(asked.approval_id, "tool_definition", "mcp:files", "approved", 0, 0, "files/a"),
                args_hash=seen,
                decided_by="root",
            )
        )
        await other.refresh()
        assert states(there) == {"a": "pinned"}


async def test_a_redis_that_lost_everything_makes_no_change_pass(redis_url: str, connection: Connection) -> None:
    async with replica(redis_url) as control:
        pins = ToolPins(control, control._connection, clock=time.time)
        await pins.note("files", listed(a="one"), nothing)
        await connection.execute("DEL", connection.keys.control_state, connection.keys.control_log)
        await control.refresh()
        await pins.note("files", listed(a="two"), nothing)
        assert states(pins) == {"a": "changed"}


async def test_without_redis_nothing_is_written() -> None:
    gone = Connection("redis://127.0.0.1:1", op_timeout=0.2)
    pins = ToolPins(Control(gone, clock=time.monotonic), gone, clock=time.time)
    with pytest.raises(StoreUnavailable):
        await pins.note("files", listed("a"), nothing)
    assert pins.of("files") is None
    await gone.close()
