"""The immune system: who watches agents, what is done about them, who heals them."""

import time
from collections.abc import Coroutine
from typing import Any

from gateway.assembly.enforcement import contain_agents, targets_of
from gateway.assembly.path import Path
from gateway.assembly.recording import Recording
from gateway.assembly.state import State
from gateway.background.act_on_agents import ActOnAgents
from gateway.background.ask_people import AskPeople
from gateway.background.execute_remedies import ExecuteRemedies
from gateway.background.heal_agents import HealAgents
from gateway.background.keep_incidents import KeepIncidents
from gateway.background.move_agents import MoveAgents
from gateway.background.quarantine_approved import QuarantineApproved
from gateway.background.tell_of_agents import TellOfAgents
from gateway.background.treat_agents import TreatAgents
from gateway.background.watch_agents import WatchAgents
from gateway.background.watch_fleet import WatchFleet
from gateway.edge.admin.agents import as_agent
from gateway.enforcement.enforcement import Enforcement
from gateway.immune.settings import FleetSettings, Immune
from gateway.model.agent import Agent
from gateway.model.bounded import make_room
from gateway.settings import Settings
from gateway.store.keys import partition_of

_KNOWN_SECONDS = 15.0
_MOST_KNOWN = 10_000


class ImmuneSystem:
    """`healing` is what operators ask for."""

    def __init__(self, settings: Settings, state: State, recording: Recording, path: Path) -> None:
        self._state, self._path = state, path
        self._clock = clock = time.time  # noqa: TID251 - what is kept of agents carries dates
        self._subjects: dict[str, tuple[float, Agent | None]] = {}
        self._audit, self._notify, self._alert = recording.log.later, state.events.notify, state.webhooks.notify
        self._replicas = lambda: max(state.limits.replicas, settings.workers)
        self.enforcement = Enforcement(
            failed=state.immune_numbers.enforcement_failed, blocked=lambda: tuple(state.quarantine.blocked)
        )
        self.enforcement.use(targets_of(settings))
        self._executing = ExecuteRemedies(self.enforcement)
        self._tell = TellOfAgents(
            state.immune_numbers, audit=self._audit, notify=self._notify, alert=self._alert, clock=clock
        )
        self._incidents = KeepIncidents(state.incidents, notify=self._notify, alert=self._alert, clock=clock)
        self._agents = MoveAgents(state.quarantine, self._tell)
        self.healing = self._healer()
        self._watch = WatchAgents(
            state.watch_partitions,
            self._acting(),
            self.healing,
            WatchFleet(state.fleet, self._incidents, clock=clock, settings=FleetSettings()),
            state.quarantine,
            state.immune_numbers,
            whose=self._whose,
            agents=self._count,
            replicas=self._replicas,
            clock=clock,
            monotonic=time.monotonic,
        )
        self._contain = contain_agents(
            self.enforcement,
            state.quarantine,
            state.store,
            state.identities.registry,
            state.events,
            holds=lambda agent_id: partition_of(agent_id) in state.watch_partitions.held,
            audit=recording.log.later,
            alert=state.webhooks.notify,
        )

    def duties(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What has to go on as long as the process serves."""
        return (self._watch.run(), self._executing.run(), self._contain.run())

    def use(self, settings: Settings) -> None:
        """From now on these means of enforcement."""
        self.enforcement.use(targets_of(settings))

    def _healer(self) -> HealAgents:
        state, clock = self._state, self._clock
        people = AskPeople(state.approvals, state.incidents, clock=clock)
        return HealAgents(
            self._agents,
            state.incidents,
            state.immune_counts,
            TreatAgents(state.prescriptions, state.intents, state.prompts, self._executing),
            people,
            QuarantineApproved(
                self._agents, state.incidents, people, self._tell, credential_of=self._credential_of, clock=clock
            ),
            self._tell,
            clock=clock,
        )

    def _acting(self) -> ActOnAgents:
        state = self._state
        return ActOnAgents(
            self._agents,
            self._incidents,
            state.prescriptions,
            state.immune_counts,
            state.fleet,
            self.healing,
            self._tell,
            clock=self._clock,
            many=lambda: self._watch.many,
        )

    async def _whose(self, agent_id: str) -> tuple[Agent, Immune, bool]:
        agent = await self._agent(agent_id)
        exists = agent is not None
        agent = agent or Agent(agent_id)
        return agent, self._path.immune_settings.of(agent), exists

    async def _agent(self, agent_id: str) -> Agent | None:
        """As operators made it; at most some seconds old."""
        known, now = self._subjects.get(agent_id), time.monotonic()
        if known is not None and (now < known[0] + _KNOWN_SECONDS):
            return known[1]
        record = await self._state.agents.get(agent_id)
        agent = None if record is None else as_agent(record)
        make_room(self._subjects, _MOST_KNOWN)
        # One that is not there yet may be written this very moment.
        self._subjects[agent_id] = (now if agent is not None else now - _KNOWN_SECONDS + 0.5), agent
        return agent

    async def _credential_of(self, agent_id: str) -> str:
        agent = await self._agent(agent_id)
        return "" if agent is None else agent.credential_id

    async def _count(self) -> int:
        return int(await self._state.store.execute("ZCARD", self._state.store.keys.agents))
