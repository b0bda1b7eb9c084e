"""The story of a fleet: agents work, some fall ill one after the other, and the gateway finds, stops and heals them.

Nobody helps but an operator who approves what the gateway asks for; the story plays that part and says so.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from gateway.demo.chaos_watch import Ask, Watch, approve_healing
from gateway.demo.fleet_cases import OUTAGE, STORY, Case, Row
from gateway.demo.simulated_agent import SimulatedAgent, at_work, simulated_agents
from gateway.demo.simulated_behaviour import WELL
from gateway.model.lifecycle import BLOCKED

_POLL_SECONDS = 0.8
_DELAY_MS = 100.0  # so that what a busy machine adds to it is little
_WARM_ANSWERS = 60
_WARM_SECONDS = 75.0
_HEAL_SECONDS = 75.0
_OUTAGE_SECONDS = 25.0
_REFUSED = ("agent_draining", "agent_quarantined", "conversation_blocked")
_RESULTS = ("applied", "healed", "failed", "withheld")
_WELL = ("HEALTHY", "SUSPECTED", "PROBATION")


class StoryFailure(Exception):
    """The story could not begin."""


class FleetStory:
    """`run` once; then `rows` say what became of whom.

    Args:
        http: whose base URL is that of a gateway with the stub models.
        ask: the admin API.
        tell: prints one line.
        rate: requests a second of each agent.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        ask: Ask,
        chance: random.Random,
        tell: Callable[[str], None],
        *,
        agents: int = 15,
        rate: float = 4.0,
        cases: Sequence[Case] = STORY,
    ) -> None:
        self._ask, self._chance, self._print, self._rate = ask, chance, tell, rate
        self.agents = simulated_agents(http, agents, chance, prefix="fleet", delay_ms=_DELAY_MS)
        self._cases = {agent.name: case for agent, case in zip(self.agents, cases, strict=False)}
        self._began: dict[str, float] = {}
        self._ended: set[str] = set()
        self._clock = asyncio.get_running_loop().time
        self._start = self._clock()
        self._watch = Watch(ask, self.ill, self._tell)
        self._hidden = ""
        self._approved: set[str] = set()
        self._stopped: set[str] = set()
        self._blamed: list[str] = []
        self._rows: list[Row] = []

    async def run(self) -> list[str]:
        """What was expected and did not happen. Raises StoryFailure."""
        await self._check_served()
        async with at_work(map(self._work, self.agents)):
            await self._warm()
            await self._watch.begin()
            await self._deny()
            await self._fall_ill()
            self._rows = [await self._row(agent) for agent in self.ill]
            await self._fail_for_all()
        return self._missing()

    @property
    def ill(self) -> list[SimulatedAgent]:
        return [agent for agent in self.agents if agent.name in self._cases]

    # The acts

    async def _check_served(self) -> None:
        answer = await self.agents[0].ask()
        if not answer.ok:
            raise StoryFailure(f"the first agent is not served: {answer.why}")

    async def _work(self, agent: SimulatedAgent) -> None:
        """As the agent itself would; but one that was refused sees what it was given before it asks again."""
        while True:
            begun = self._clock()
            if agent.last.code in _REFUSED:
                await self._hide(agent)
                await self._cure(agent)
            answer = await agent.ask()
            pause = self._chance.uniform(0.5, 1.5) / self._rate - (self._clock() - begun)
            await asyncio.sleep(max(pause, min(answer.wait, 1.0), 0.0))

    async def _warm(self) -> None:
        self._tell(f"{len(self.agents)} agents begin to work; the gateway learns what is usual of each")
        until = self._clock() + _WARM_SECONDS
        while True:
            states = {one["agent_id"]: one["state"] for one in await self._items("/agents", limit=1000)}
            well = [
                agent
                for agent in self.agents
                if agent.answered >= _WARM_ANSWERS and states.get(agent.agent_id) in _WELL
            ]
            if len(well) == len(self.agents):
                break
            if self._clock() >= until:
                raise StoryFailure(f"only {len(well)} of {len(self.agents)} agents became HEALTHY in time")
            await asyncio.sleep(_POLL_SECONDS)
        self._tell("all of them are HEALTHY")

    async def _deny(self) -> None:
        """The tool that injected instructions ask for is denied to whom they come, as an operator would have it."""
        for agent in self.ill:
            denied = self._cases[agent.name].fault.denied
            if denied is not None:
                await self._ask("PUT", f"/agents/{agent.agent_id}/policy", None, {"deny": [denied]})

    async def _fall_ill(self) -> None:
        begun = self._clock()
        until = begun + max((case.at for case in self._cases.values()), default=0.0) + _HEAL_SECONDS
        while self._clock() < until:
            for agent in self.ill:
                self._change(agent, self._clock() - begun)
            await self._look()
            if len(self._ended) == len(self._cases) and all(self._is_over(agent) for agent in self.ill):
                self._tell("everybody is well again")
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def _fail_for_all(self) -> None:
        """One provider's trouble looks like everybody's illness, and must be nobody's."""
        self._tell(f"everybody: {OUTAGE.says}")
        before = {agent.name: len(self._watch.states[agent.name]) for agent in self.ill}
        until = self._clock() + _OUTAGE_SECONDS
        for agent in self.agents:
            agent.behaviour = OUTAGE.behaviour
        while not self._watch.external and self._clock() < until:
            await self._look()
            await asyncio.sleep(_POLL_SECONDS)
        for agent in self.agents:
            agent.behaviour = WELL
        await self._look()
        after = {name: states[before[name] :] for name, states in self._watch.states.items()}
        self._blamed = [name for name, states in after.items() if not BLOCKED.isdisjoint(states)]
        self._tell("the provider answers again")

    # What happens meanwhile

    def _change(self, agent: SimulatedAgent, passed: float) -> None:
        case = self._cases[agent.name]
        if agent.name not in self._began and passed >= case.at:
            self._began[agent.name] = self._clock()
            agent.behaviour = case.fault.behaviour
            self._tell(f"{agent.name}  ILL: {case.fault.says}")

    async def _look(self) -> None:
        await self._watch.look()
        await self._look_at_all()
        await self._approve()
        for agent in self.ill:
            await self._cure(agent)

    async def _look_at_all(self) -> None:
        agents = {agent.agent_id: agent for agent in self.agents}
        for one in await self._items("/agents", limit=1000):
            agent = agents.get(one["agent_id"])
            if agent is None or agent.name in self._cases or agent.name in self._stopped:
                continue
            if one["state"] in BLOCKED:
                self._stopped.add(agent.name)
                self._tell(f"{agent.name}  {one['state']}, though it is well")

    async def _approve(self) -> None:
        for name, approval_id in await approve_healing(self._ask, self.agents, "approved by the demo"):
            self._tell(f"{name}  its healing needs a person: this demo approves {approval_id}")
            self._approved.add(name)

    async def _hide(self, agent: SimulatedAgent) -> None:
        """Come again as somebody else, with the same credential."""
        case = self._cases.get(agent.name)
        if self._hidden or case is None or not case.fault.hides or agent.last.code == "conversation_blocked":
            return
        self._hidden = "under way"
        other = agent.disguised()
        self._hidden = (await other.ask()).code or "served"
        self._tell(f"{other.name}  {agent.name} comes again under another name: {self._hidden}")

    async def _cure(self, agent: SimulatedAgent) -> None:
        """A remedy in force takes effect, or does not; other trouble passes."""
        if agent.name not in self._began or agent.name in self._ended:
            return
        remedies = await self._given(agent)
        if self._cases[agent.name].ends(remedies, self._clock() - self._began[agent.name]):
            self._ended.add(agent.name)
            agent.behaviour = WELL
            why = f"CURED: {', '.join(sorted(remedies))} takes effect" if remedies else "its trouble has passed"
            self._tell(f"{agent.name}  {why}")

    async def _given(self, agent: SimulatedAgent) -> frozenset[str]:
        """What it was treated with, once it may go on."""
        if not self._watch.blocked(agent) and agent.last.code not in _REFUSED:
            return frozenset()
        patients = (await self._ask("GET", "/healing"))["agents"]
        ours = (one for one in patients if one["agent_id"] == agent.agent_id and one["state"] == "PROBATION")
        return frozenset(remedy for one in ours for remedy in one["remedies"])

    def _is_over(self, agent: SimulatedAgent) -> bool:
        return self._watch.state(agent) in ("HEALTHY", "EXHAUSTED")

    # What came of it

    def rows(self) -> list[Row]:
        """One for each agent that was ill, as it was before the provider failed, then the others."""
        return [*self._rows, *(self._row_of_well(agent) for agent in self.agents if agent.name not in self._cases)]

    def _row_of_well(self, agent: SimulatedAgent) -> Row:
        outcome = "was stopped, though well" if agent.name in self._stopped else "worked on, undisturbed"
        return Row(agent.name, "-", "-", "-", "-", "-", outcome)

    async def _row(self, agent: SimulatedAgent) -> Row:
        case = self._cases[agent.name]
        incidents = list(reversed(await self._items("/incidents", agent_id=agent.agent_id, limit=20)))
        first = incidents[0] if incidents else None
        causes = [f"{one['cause']} {one['confidence']:.0%}" for one in (first or {}).get("diagnoses", ())[:1]]
        done = ["throttled"] if agent.name in self._watch.throttled else []
        done += ["its calls were denied"] if "denied_burst" in self._watch.found[agent.name] else []
        done += ["healing approved"] if agent.name in self._approved else []
        acts = [act for one in incidents for act in one["actions"] if act["outcome"] in _RESULTS]
        done += [f"{act['action']} {act['outcome']}" for act in acts]
        return Row(
            agent.name,
            case.fault.name,
            ", ".join(sorted(self._watch.found[agent.name])) or "-",
            " → ".join(self._watch.states[agent.name]),
            causes[0] if causes else "-",
            ", ".join(done) or "-",
            self._outcome(agent),
        )

    def _outcome(self, agent: SimulatedAgent) -> str:
        state = self._watch.state(agent)
        if self._watch.blocked(agent):
            return "stopped and healed" if state == "HEALTHY" else f"stopped, {state}"
        return f"not stopped, {state}"

    def _missing(self) -> list[str]:
        missing = []
        for agent in self.agents:
            case = self._cases.get(agent.name)
            if case is None:
                continue
            fault, blocked = case.fault, self._watch.blocked(agent)
            if not fault.findings & self._watch.found[agent.name]:
                missing.append(f"{agent.name}: none of {', '.join(sorted(fault.findings))} was found")
            if fault.blocks is not None and blocked != fault.blocks:
                missing.append(f"{agent.name}: it was {'not ' if fault.blocks else ''}stopped")
            if self._watch.state(agent) not in _WELL:
                missing.append(f"{agent.name}: it is {self._watch.state(agent)} at the end")
        if not self._approved:
            missing.append("nothing was to be approved by a person")
        if any(case.fault.hides for case in self._cases.values()) and self._hidden not in _REFUSED:
            missing.append("the other name was not refused")
        if not self._watch.external:
            missing.append("no incident says that the provider was the cause")
        missing += [f"{name} was well and was stopped" for name in sorted(self._stopped)]
        return [*missing, *(f"{name} was stopped for its provider's trouble" for name in self._blamed)]

    async def _items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self._ask("GET", path, query))["items"]
        return found

    def _tell(self, text: str) -> None:
        self._print(f"{self._clock() - self._start:6.1f} s  {text}")
