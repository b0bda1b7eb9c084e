"""A replica that watches agents, over a real Redis, for tests: all its parts but the data path."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.background.act_on_agents import ActOnAgents
from gateway.background.keep_incidents import KeepIncidents
from gateway.background.move_agents import MoveAgents
from gateway.background.tell_of_agents import TellOfAgents
from gateway.background.watch_agents import WatchAgents
from gateway.background.watch_fleet import WatchFleet
from gateway.immune.finding import Finding
from gateway.immune.incident import Incident
from gateway.immune.record import Record
from gateway.immune.settings import DEFAULT, Immune
from gateway.model.agent import Agent
from gateway.model.audit import AuditEntry
from gateway.model.lifecycle import Life
from gateway.model.vitals import Vitals
from gateway.store.control import Control
from gateway.store.fleet import Fleet
from gateway.store.immune_counts import ImmuneCounts
from gateway.store.incidents import Incidents
from gateway.store.prescriptions import Prescriptions
from gateway.store.quarantine import Quarantine
from gateway.store.watch_feed import WatchFeed
from gateway.store.watch_partitions import WatchPartitions
from gateway.store.watched_agents import WatchedAgents
from gateway.telemetry.immune_numbers import ImmuneNumbers
from tests.immune.exchanges import exchange
from tests.store.test_control import replica
from tests.store.test_quarantine import over

START = time.time() - 10_000.0


@dataclass
class Healed:
    """What was asked of healing, which is not in play here."""

    looked: list[str] = field(default_factory=list)
    ends: list[tuple[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def look(self, record: Record, life: Life, settings: Immune) -> None:
        self.looked.append(record.agent_id)

    async def ended(self, record: Record, result: str) -> None:
        self.ends.append((record.agent_id, result))

    async def ask_to_block(self, incident: Incident, cause: str) -> None:
        self.asked.append(incident.incident_id)


class Replica:
    """One process's watch. `settings` may be replaced at any time."""

    def __init__(self, control: Control, *, settings: Immune = DEFAULT, many: int = 20, replicas: int = 1) -> None:
        connection = self.connection = control._connection
        self.control = control
        self.settings = settings
        self.feed = WatchFeed(connection, interval=0.01)
        self.quarantine: Quarantine = over(control)
        self.incidents = Incidents(connection, clock=time.time, keep_seconds=86_400)
        self.prescriptions = Prescriptions(control)
        self.fleet = Fleet(connection, clock=time.time)
        self.watched = WatchedAgents(connection)
        self.healing = Healed()
        self.numbers = ImmuneNumbers(time.monotonic)
        self.audit: list[AuditEntry] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.alerts: list[tuple[str, str]] = []
        telling: dict[str, Any] = {
            "notify": lambda kind, data: self.events.append((kind, data)),
            "alert": lambda kind, data, once: self.alerts.append((kind, once)),
            "clock": time.time,
        }
        self.keep = KeepIncidents(self.incidents, **telling)
        tell = TellOfAgents(self.numbers, audit=self.audit.append, **telling)
        self.act = ActOnAgents(
            MoveAgents(self.quarantine, tell),
            self.keep,
            self.prescriptions,
            ImmuneCounts(connection, clock=time.monotonic),
            self.fleet,
            self.healing,
            tell,
            clock=time.time,
            many=lambda: many,
        )
        self.partitions = WatchPartitions(connection, replica=control.replica, clock=time.monotonic)
        self.watch = WatchAgents(
            self.partitions,
            self.act,
            self.healing,
            WatchFleet(self.fleet, self.keep, clock=time.time, settings=settings.fleet),
            self.quarantine,
            self.numbers,
            whose=self._whose,
            agents=self._many,
            replicas=lambda: replicas,
            clock=time.time,
            monotonic=time.monotonic,
        )
        self._count = many

    async def _whose(self, agent_id: str) -> tuple[Agent, Immune, bool]:
        return Agent(agent_id, credential_id=f"crd_{agent_id}"), self.settings, True

    async def _many(self) -> int:
        return self._count

    async def told(self) -> None:
        """Everything that was told is written."""
        while self.feed.pending:
            await self.feed.flush()

    async def record(self, agent_id: str) -> Record:
        record = await self.watched.record(agent_id)
        assert record is not None
        return record


@contextlib.asynccontextmanager
async def watching(url: str, *, runs: bool = True, **other: Any) -> AsyncIterator[Replica]:
    async with replica(url) as control:
        one = Replica(control, **other)
        duty = asyncio.create_task(one.watch.run() if runs else asyncio.sleep(0))
        try:
            yield one
        finally:
            duty.cancel()
            await asyncio.gather(duty, return_exceptions=True)


def call(agent_id: str, place: int, **other: Any) -> Vitals:
    """The `place`-th usual call of an agent."""
    return replace(
        exchange(place, time=START + place, **other), agent_id=agent_id, request_id=f"req_{agent_id}_{place}"
    )


def loop(agent_id: str, *, hard: bool = True) -> Finding:
    return Finding(
        "tool_loop", "identical_calls", None, time.time(), agent_id, "req_loop", "m-1", "talk", hard, {"tool": "look"}
    )
