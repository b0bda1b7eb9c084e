"""Quarantined agents are stopped beyond being blocked, and let go: what is remembered is in a real Redis."""

import asyncio
import contextlib
import itertools
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.background.contain_agents import ContainAgents
from gateway.enforcement.composite import Composite
from gateway.enforcement.enforcement import Enforcement
from gateway.enforcement.process import Process
from gateway.enforcement.seen_process import look
from gateway.enforcement.strategy import Case, EnforcementFailed
from gateway.enforcement.targets import Means, Targets
from gateway.model.audit import AuditEntry
from gateway.model.lifecycle import Life, State, drained, quarantined, released
from gateway.store.connection import Connection
from gateway.store.contained_agents import Contained, ContainedAgents
from tests.support.redis import RedisServer
from tests.support.waiting import until


@dataclass
class Lives:
    """The lives of agents, as a replica knows them."""

    blocked: dict[str, Life] = field(default_factory=dict)
    all: dict[str, Life] = field(default_factory=dict)
    clock: Iterator[float] = field(default_factory=lambda: map(float, itertools.count(1000)))

    def of(self, agent_id: str) -> Life | None:
        return self.all.get(agent_id)

    def _put(self, life: Life) -> Life:
        self.all[life.agent_id] = life
        self.blocked.pop(life.agent_id, None)
        if life.blocked:
            self.blocked[life.agent_id] = life
        return life

    def block(self, agent_id: str, *, drain_seconds: float = 0.0) -> Life:
        at = next(self.clock)
        life = self.of(agent_id) or Life(agent_id)
        return self._put(quarantined(life, at, "odd", "root", drain_seconds=drain_seconds, incident_id=f"inc_{at:g}"))

    def drained(self, agent_id: str) -> None:
        self._put(drained(self.all[agent_id], next(self.clock)))

    def move(self, agent_id: str, state: State) -> None:
        self._put(self.all[agent_id].moved(state, next(self.clock), "so it goes", "gateway"))

    def release(self, agent_id: str) -> None:
        self._put(released(self.all[agent_id], next(self.clock), "fine", "root"))


@dataclass
class Way:
    """A strategy that writes down what it is told and fails as long as it is to."""

    name: str
    log: list[str]
    target: str | None = None
    failing: str = ""

    async def contain(self, case: Case) -> None:
        await self._do("contain", case)

    async def release(self, case: Case) -> None:
        await self._do("release", case)

    async def _do(self, what: str, case: Case) -> None:
        self.log.append(f"{self.name} {what} {case.agent_id} {case.incident_id}")
        if self.failing:
            raise EnforcementFailed(self.name, self.failing)


@dataclass
class World:
    """One replica, or several that know the same lives."""

    connection: Connection
    lives: Lives = field(default_factory=Lives)
    log: list[str] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)
    alerts: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    now: float = 0.0
    looks: int = 0

    def __post_init__(self) -> None:
        self.one, self.two = Way("process", self.log, "p"), Way("webhook", self.log)
        self.targets = Targets({"agt_1": Means((self.one, self.two))})

    @contextlib.asynccontextmanager
    async def replica(self, holds: Callable[[str], bool] = lambda agent_id: True) -> AsyncIterator[None]:
        world = self

        class Counting(ContainedAgents):
            async def all(self) -> dict[str, Contained]:
                world.looks += 1
                return await super().all()

        async def name_of(agent_id: str) -> str | None:
            return self.names.get(agent_id)

        enforcement = Enforcement(
            blocked=lambda: tuple(self.lives.blocked), composite=Composite(self.failed.append, tries=1)
        )
        enforcement.use(self.targets)
        duty = ContainAgents(
            self.lives,
            enforcement,
            Counting(self.connection),
            holds=holds,
            name_of=name_of,
            notify=lambda kind, data: self.events.append((kind, data)),
            audit=self.audit.append,
            alert=lambda kind, data, id: self.alerts.append((kind, dict(data), id)),
            clock=lambda: self.now,
            wall_clock=time.time,
            jitter=lambda: 1.0,
            tick=0.01,
        )
        task = asyncio.create_task(duty.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def contained(self) -> dict[str, Contained]:
        return await ContainedAgents(self.connection).all()

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]


@pytest.fixture
async def world(redis_url: str) -> AsyncIterator[World]:
    connection = Connection(redis_url, op_timeout=5)
    yield World(connection)
    await connection.close()


async def turns(world: World, many: int = 6) -> None:
    """Let a replica look so often again."""
    looks = world.looks
    await until(lambda: world.looks >= looks + many)


async def test_a_quarantined_agent_is_stopped_once_and_let_go_once(world: World) -> None:
    async with world.replica():
        life = world.lives.block("agt_1")
        await until(lambda: world.kinds() == ["enforcement.contained"])
        await turns(world)
        assert world.log == [f"{way} contain agt_1 {life.incident_id}" for way in ("process", "webhook")]
        (noted,) = (await world.contained()).values()
        assert (noted.incident_id, noted.begun, noted.done) == (life.incident_id, *[("process", "webhook")] * 2)
        world.lives.release("agt_1")
        await until(lambda: len(world.events) == 2)
        await turns(world)
        assert world.log[2:] == [f"{way} release agt_1 {life.incident_id}" for way in ("webhook", "process")]
        assert await world.contained() == {}
    said = {"agent_id": "agt_1", "incident_id": life.incident_id, "strategies": ["process", "webhook"]}
    assert world.events == [
        ("enforcement.contained", {**said, "action": "contain"}),
        ("enforcement.released", {**said, "action": "release"}),
    ]
    assert [(e.kind, e.action, e.agent_id, e.result) for e in world.audit] == [
        ("gateway", "contain:agent", "agt_1", "success"),
        ("gateway", "release:agent", "agt_1", "success"),
    ]


async def test_an_agent_whose_streams_end_or_that_is_healed_is_not_stopped(world: World) -> None:
    async with world.replica():
        world.lives.block("agt_1", drain_seconds=30)
        await turns(world)
        assert world.log == []
        world.lives.drained("agt_1")
        world.lives.move("agt_1", "HEALING")
        await turns(world)
        assert world.log == []
        world.lives.move("agt_1", "EXHAUSTED")
        await until(lambda: len(world.log) == 2)
        world.lives.move("agt_1", "HEALING")
        await turns(world)
        assert len(world.log) == 2  # it stays as it is until somebody needs it awake
        world.lives.move("agt_1", "PROBATION")
        await until(lambda: len(world.log) == 4)


async def test_one_that_is_blocked_again_is_stopped_again(world: World) -> None:
    world.lives.block("agt_1")
    async with world.replica():
        await until(lambda: len(world.log) == 2)
    # While nobody looked it was let go and blocked once more.
    world.lives.release("agt_1")
    again = world.lives.block("agt_1")
    async with world.replica():
        await until(lambda: len(world.log) == 4)
    assert all(line.endswith(f"contain agt_1 {again.incident_id}") for line in world.log[2:])


async def test_another_replica_goes_on_and_neither_forgets_nor_begins_again(world: World) -> None:
    world.lives.block("agt_1")
    async with world.replica():
        await until(lambda: len(world.log) == 2)
    async with world.replica():
        await turns(world)
        assert len(world.log) == 2
        world.lives.release("agt_1")
        await until(lambda: len(world.log) == 4)
    assert await world.contained() == {}


async def test_only_the_replica_that_holds_an_agent_acts(world: World) -> None:
    held: set[str] = set()
    async with world.replica(held.__contains__):
        world.lives.block("agt_1")
        await turns(world)
        assert world.log == []
        held.add("agt_1")
        await until(lambda: len(world.log) == 2)


async def test_a_replica_that_is_behind_does_not_let_go_what_another_one_stopped(world: World) -> None:
    world.lives.block("agt_1")
    async with world.replica():
        await until(lambda: len(world.log) == 2)
    known = world.lives
    world.lives = Lives(all={"agt_1": Life("agt_1", "HEALTHY")})
    async with world.replica():
        await turns(world)
        assert len(world.log) == 2
    world.lives = known
    async with world.replica():
        world.lives.release("agt_1")
        await until(lambda: len(world.log) == 4)


async def test_what_fails_is_tried_again_later_each_time_and_said_once(world: World) -> None:
    world.one.failing = "it does not run"
    async with world.replica():
        life = world.lives.block("agt_1")
        await until(lambda: "enforcement.failed" in world.kinds())
        await turns(world)
        assert world.failed == ["process"] and len(world.log) == 2  # the clock stands still
        assert ("enforcement.contained", {**_of(life, "contain"), "strategies": ["webhook"]}) in world.events
        world.now += 1
        await until(lambda: len(world.failed) == 2)
        world.now += 1
        await turns(world)
        assert len(world.failed) == 2
        world.now += 1
        await until(lambda: len(world.failed) == 3)
        failures = [data for kind, data in world.events if kind == "enforcement.failed"]
        assert failures == [{**_of(life, "contain"), "strategy": "process", "reason": "it does not run", "again": True}]
        assert world.lives.of("agt_1") == life  # it is blocked all the same
        world.one.failing = ""
        world.now += 4
        await until(lambda: world.kinds().count("enforcement.contained") == 2)
    assert [line.split()[0] for line in world.log].count("webhook") == 1
    told = {"agent_id": "agt_1", "incident_id": life.incident_id, "withheld": None}
    cause = "contain failed: process: it does not run"
    assert world.alerts == [("immune.alert", {**told, "cause": cause}, f"{life.incident_id}:contain:1")]
    (entry,) = [entry for entry in world.audit if entry.result == "error"]
    assert (entry.action, entry.reason) == ("contain:agent", "it does not run")
    assert entry.metadata == {"incident_id": life.incident_id, "strategy": "process", "again": True}


async def test_an_agent_that_cannot_be_let_go_is_not_forgotten(world: World) -> None:
    async with world.replica():
        world.lives.block("agt_1")
        await until(lambda: len(world.log) == 2)
        world.one.failing = "it does not answer"
        world.lives.release("agt_1")
        await until(lambda: "enforcement.failed" in world.kinds())
        assert (await world.contained())["agt_1"].begun == ("process",)
        world.one.failing = ""
        world.now += 1
        await until(lambda: world.kinds().count("enforcement.released") == 2)
    assert await world.contained() == {}


async def test_what_was_begun_before_a_crash_is_let_go(world: World) -> None:
    life = world.lives.block("agt_1")
    await ContainedAgents(world.connection).put("agt_1", Contained("inc_9", life.since, ("process",)))
    world.lives.release("agt_1")
    async with world.replica():
        await until(lambda: world.log == ["process release agt_1 inc_9"])
        await until(lambda: world.kinds() == ["enforcement.released"])
    assert await world.contained() == {}


async def test_what_is_not_configured_any_more_is_said(world: World) -> None:
    life = world.lives.block("agt_1")
    async with world.replica():
        await until(lambda: len(world.log) == 2)
    world.targets = Targets({})
    world.lives.release("agt_1")
    async with world.replica():
        await until(lambda: world.kinds().count("enforcement.failed") == 2)
    assert {data["reason"] for kind, data in world.events if kind == "enforcement.failed"} == {
        "is not configured any more: start the agent by hand"
    }
    assert not any(data["again"] for kind, data in world.events if kind == "enforcement.failed")
    assert await world.contained() == {} and life.blocked


async def test_what_two_agents_run_in_goes_on_when_the_last_of_them_does(world: World) -> None:
    world.targets = Targets({"twin-*": Means((world.one,))})
    world.names = {"agt_1": "twin-1", "agt_2": "twin-2", "agt_3": "other"}
    async with world.replica():
        for agent_id in ("agt_1", "agt_2", "agt_3"):
            world.lives.block(agent_id)
        await until(lambda: len(world.events) == 2)
        world.lives.release("agt_1")
        await turns(world)
        assert [line.split()[1] for line in world.log] == ["contain"] * 2
        world.lives.release("agt_2")
        await until(lambda: world.kinds().count("enforcement.released") == 2)
    assert await world.contained() == {}
    assert {line.split()[2] for line in world.log} == {"agt_1", "agt_2"}


async def test_redis_may_be_away_for_a_while(own_redis: RedisServer) -> None:
    connection = Connection(own_redis.url, op_timeout=0.2)
    world = World(connection)
    async with world.replica():
        own_redis.freeze()
        world.lives.block("agt_1")
        await asyncio.sleep(0.3)
        assert world.log == []  # what cannot be remembered is not begun
        own_redis.thaw()
        await until(lambda: len(world.log) == 2)
    await connection.close()


async def test_a_real_process_stands_still_while_its_agent_is_in_quarantine(world: World, tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as agent:
        (tmp_path / "pid").write_text(str(agent.pid))
        world.targets = Targets({"agt_1": Means((Process(pid_file=tmp_path / "pid"),))})

        def stopped() -> bool:
            seen = look(agent.pid)
            return seen is not None and seen.stopped

        async with world.replica():
            world.lives.block("agt_1")
            await until(stopped)
            world.lives.release("agt_1")
            await until(lambda: not stopped())
        agent.kill()


def _of(life: Life, action: str) -> dict[str, Any]:
    return {"agent_id": life.agent_id, "incident_id": life.incident_id, "action": action}
