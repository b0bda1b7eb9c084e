"""Stopping agents, letting them go, and treating them by other means than the gateway's own."""

import asyncio
from dataclasses import dataclass, field

import pytest

from gateway.enforcement.composite import Composite
from gateway.enforcement.enforcement import CONTROL, RESTART, Enforcement
from gateway.enforcement.strategy import Case, EnforcementFailed
from gateway.enforcement.targets import Means, Targets


@dataclass
class Way:
    """Writes down what it is told, and fails at what `fails` names."""

    name: str
    log: list[str]
    target: str | None = None
    fails: set[str] = field(default_factory=set)

    async def _do(self, what: str, case: Case) -> None:
        self.log.append(f"{self.name} {what} {case.agent_id}")
        if what in self.fails:
            raise EnforcementFailed(self.name, f"cannot {what}")

    async def contain(self, case: Case) -> None:
        await self._do("contain", case)

    async def release(self, case: Case) -> None:
        await self._do("release", case)

    async def restart(self, case: Case) -> None:
        await self._do("restart", case)

    async def reset(self, case: Case) -> None:
        await self._do("reset", case)


@dataclass
class World:
    log: list[str]
    failed: list[str]
    blocked: set[str]
    process: Way
    container: Way
    webhook: Way
    control: Way
    enforcement: Enforcement


@pytest.fixture
def world() -> World:
    log: list[str] = []
    failed: list[str] = []
    blocked: set[str] = set()
    ways = Way("process", log, "p"), Way("container", log, "c"), Way("webhook", log)
    control = Way("control", log)
    enforcement = Enforcement(blocked=lambda: blocked, composite=Composite(failed.append, tries=2, pause=0.001))
    whole = Means(ways, ways[1], control)
    enforcement.use(Targets({"agt_1": whole, "agt_2": Means((ways[1],)), "twin-*": whole}))
    return World(log, failed, blocked, *ways, control, enforcement)


async def test_an_agent_is_contained_in_order_and_released_in_the_opposite_one(world: World) -> None:
    assert await world.enforcement.contain("agt_1", "inc_1") == []
    assert await world.enforcement.release("agt_1", "inc_1") == []
    assert world.log == [
        "process contain agt_1",
        "container contain agt_1",
        "webhook contain agt_1",
        "webhook release agt_1",
        "container release agt_1",
        "process release agt_1",
    ]
    assert world.enforcement.strategies("agt_1") == ("process", "container", "webhook")


async def test_what_fails_is_said_and_the_others_are_done(world: World) -> None:
    world.process.fails = {"contain"}
    (failure,) = await world.enforcement.contain("agt_1", "inc_1")
    assert str(failure) == "process: cannot contain" and world.failed == ["process"] * 2
    assert "webhook contain agt_1" in world.log
    world.log.clear()
    await world.enforcement.contain("agt_1", "inc_1", {"webhook"})
    assert world.log == ["webhook contain agt_1"]


async def test_an_agent_without_targets_is_only_blocked(world: World) -> None:
    assert await world.enforcement.contain("agt_9", "inc_1") == [] and world.log == []
    assert world.enforcement.targets("agt_9") == frozenset() and world.enforcement.strategies("agt_9") == ()
    with pytest.raises(EnforcementFailed, match="restart_container: there is nothing to do it with"):
        await world.enforcement.do(RESTART, "agt_9", "inc_1")


async def test_what_two_agents_run_in_does_not_go_on_while_one_of_them_is_blocked(world: World) -> None:
    world.blocked.add("agt_2")
    assert world.enforcement.shared("agt_1") == {"container"}
    await world.enforcement.release("agt_1", "inc_1")
    assert world.log == ["webhook release agt_1", "process release agt_1"]
    world.blocked.clear()
    assert world.enforcement.shared("agt_1") == frozenset()


async def test_a_name_counts_once_it_was_told(world: World) -> None:
    assert world.enforcement.unnamed(["agt_7", "agt_8"]) == ["agt_7", "agt_8"]
    assert world.enforcement.targets("agt_7") == frozenset()
    world.enforcement.learn("agt_7", "twin-a")
    world.enforcement.learn("agt_8", None)
    assert world.enforcement.targets("agt_7") == {CONTROL, RESTART}
    assert world.enforcement.targets("agt_8") == frozenset() and world.enforcement.unnamed(["agt_7", "agt_8"]) == []
    world.enforcement.forget("agt_7")
    assert world.enforcement.unnamed(["agt_7"]) == ["agt_7"]


async def test_an_agent_is_awake_when_it_is_asked_to_start_afresh(world: World) -> None:
    await world.enforcement.do(CONTROL, "agt_1", "inc_1")
    assert world.log == ["container release agt_1", "process release agt_1", "control reset agt_1"]


async def test_one_that_does_not_start_afresh_is_stopped_again(world: World) -> None:
    world.control.fails = {"reset"}
    with pytest.raises(EnforcementFailed, match="control: cannot reset"):
        await world.enforcement.do(CONTROL, "agt_1", "inc_1")
    assert world.log[2:] == ["control reset agt_1"] * 2 + ["process contain agt_1", "container contain agt_1"]


async def test_one_that_cannot_be_woken_is_not_asked(world: World) -> None:
    world.container.fails = {"release"}
    with pytest.raises(EnforcementFailed, match="container: cannot release"):
        await world.enforcement.do(CONTROL, "agt_1", "inc_1")
    assert not [line for line in world.log if line.startswith("control")]
    assert world.log[-2:] == ["process contain agt_1", "container contain agt_1"]


async def test_one_that_nobody_waits_for_any_more_is_stopped_again(world: World) -> None:
    asked = asyncio.Event()

    async def silent(case: Case) -> None:
        asked.set()
        await asyncio.Event().wait()

    world.control.reset = silent  # type: ignore[method-assign]
    waiting = asyncio.create_task(world.enforcement.do(CONTROL, "agt_1", "inc_1"))
    await asked.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert world.log[-2:] == ["process contain agt_1", "container contain agt_1"]


async def test_a_restart_is_done_by_what_restarts(world: World) -> None:
    await world.enforcement.do(RESTART, "agt_1", "inc_1")
    assert world.log == ["container restart agt_1"]
    world.container.fails = {"restart"}
    with pytest.raises(EnforcementFailed, match="container: cannot restart"):
        await world.enforcement.do(RESTART, "agt_1", "inc_1")
    with pytest.raises(EnforcementFailed, match="there is nothing to do it with"):
        await world.enforcement.do(CONTROL, "agt_2", "inc_1")


def test_without_targets_it_has_nothing_to_do(world: World) -> None:
    assert world.enforcement.configured and not Enforcement().configured
    assert Enforcement().unnamed(["agt_1"]) == []
