"""A trial of the immune system on a running gateway: healthy simulated agents, one fault, and what is made of it.

The agents work until their gateway knows them as healthy; then the fault begins. It ends once what is expected has
happened, so that the gateway can heal what it stopped.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import httpx

from gateway.demo.chaos_faults import Fault
from gateway.demo.chaos_watch import Ask, Watch, approve_healing
from gateway.demo.simulated_agent import Answer, SimulatedAgent, at_work, simulated_agents
from gateway.demo.simulated_behaviour import WELL

T = TypeVar("T")

_POLL_SECONDS = 0.4
_DELAY_MS = 60.0
_WARM_REQUESTS = 60
_WARM_SECONDS = 60.0
_HEALTHY = ("HEALTHY", "SUSPECTED", "PROBATION")


class ChaosFailure(Exception):
    """The trial could not be made."""


@dataclass(frozen=True, slots=True)
class Trial:
    """`agents` of them, each asking `rate` times a second; the gateway has `seconds` to see what is wrong and to heal
    it. The fault lasts `lasting` seconds at least, unless its agents are blocked before. `approve`: healing that waits
    for a person is approved. `run` names the agents; another one makes others."""

    fault: Fault
    agents: int
    rate: float
    seconds: float
    run: str
    lasting: float = 0.0
    approve: bool = False


class Chaos:
    """`run` once.

    Args:
        http: whose base URL is the gateway's.
        tell: prints one line.
    """

    def __init__(
        self, trial: Trial, http: httpx.AsyncClient, ask: Ask, chance: random.Random, tell: Callable[[str], None]
    ) -> None:
        self._trial, self._fault = trial, trial.fault
        self._ask, self._say = ask, tell
        self.agents = simulated_agents(http, trial.agents, chance, prefix=f"chaos-{trial.run}", delay_ms=_DELAY_MS)
        self.ill = self.agents if trial.fault.everybody else self.agents[:1]
        self._clock = asyncio.get_running_loop().time
        self._begun = self._clock()
        self._watch = Watch(ask, self.agents, self._tell)
        self._hidden: Answer | None = None

    async def run(self) -> list[str]:
        """What was expected and did not happen. Raises ChaosFailure."""
        await self._check_stub()
        async with at_work(agent.work(self._trial.rate) for agent in self.agents):
            await self._warm()
            await self._watch.begin()
            async with self._denied():
                self._tell(f"{', '.join(agent.name for agent in self.ill)}: {self._fault.says}")
                missing = await self._inject()
                self._cure()
                if not missing:
                    await self._recover()
                    missing = self._missing()
        self._tell_refusals()
        return missing

    # The steps

    async def _check_stub(self) -> None:
        answer = await self.agents[0].ask()
        if not answer.ok:
            raise ChaosFailure(f"a simulated agent is not served (start the gateway with --stub): {answer.why}")

    async def _warm(self) -> None:
        """Until the gateway knows all of them well enough."""
        self._tell(f"{len(self.agents)} agents begin to work, run {self._trial.run}")
        until = self._clock() + _WARM_SECONDS + _WARM_REQUESTS / self._trial.rate
        while True:
            states = [
                (await self._ask("GET", f"/lifecycle/{agent.agent_id}"))["state"]
                for agent in self.agents
                if agent.answered >= _WARM_REQUESTS
            ]
            if len(states) == len(self.agents) and all(state in _HEALTHY for state in states):
                return
            if self._clock() >= until:
                reached = ", ".join(sorted(states)) or "too few answers"
                raise ChaosFailure(f"the agents did not become HEALTHY within {_WARM_SECONDS:g} s: {reached}")
            await asyncio.sleep(_POLL_SECONDS)

    @contextlib.asynccontextmanager
    async def _denied(self) -> AsyncIterator[None]:
        """What is denied for the trial is allowed again after it."""
        if self._fault.denied is None:
            yield
            return
        path = f"/agents/{self.ill[0].agent_id}/policy"
        await self._ask("PUT", path, None, {"deny": [self._fault.denied]})
        try:
            yield
        finally:
            await self._ask("DELETE", path)

    async def _inject(self) -> list[str]:
        for agent in self.ill:
            agent.behaviour = self._fault.behaviour
        least = self._clock() + self._trial.lasting

        def missing() -> list[str]:
            stopped = all(self._watch.blocked(agent) for agent in self.ill)
            return self._missing() or ([] if stopped or self._clock() >= least else ["it goes on"])

        await self._none_left(missing)
        return self._missing()

    async def _recover(self) -> None:
        """Until they are healthy again, or nothing more will happen."""
        await self._none_left(lambda: [agent for agent in self.ill if not self._is_over(agent)])

    def _is_over(self, agent: SimulatedAgent) -> bool:
        waits = agent.name in self._watch.waiting and not self._trial.approve
        return waits or self._watch.state(agent) in ("HEALTHY", "EXHAUSTED")

    def _cure(self) -> None:
        for agent in self.ill:
            agent.behaviour = WELL

    async def _none_left(self, of: Callable[[], list[T]]) -> list[T]:
        """Watch until there are none of these, or the time is over; those left."""
        until = self._clock() + self._trial.seconds
        while True:
            await self._watch.look()
            await self._hide()
            if self._trial.approve:
                for _, approval_id in await approve_healing(self._ask, self.agents, "chaos"):
                    self._tell(f"approved {approval_id}")
            left = of()
            if not left or self._clock() >= until:
                return left
            await asyncio.sleep(_POLL_SECONDS)

    async def _hide(self) -> None:
        """Come again under another name, once it is of use."""
        first = self.ill[0]
        if not self._fault.hides or self._hidden is not None or self._watch.state(first) != "QUARANTINED":
            return
        other = first.disguised()
        self._hidden = await other.ask()
        self._tell(f"{other.name}  {self._hidden.code or 'was served'}: {self._hidden.message}")

    # What is expected

    def _missing(self) -> list[str]:
        fault, watch = self._fault, self._watch
        missing = []
        for agent in self.ill:
            found = watch.found[agent.name]
            if fault.findings and not fault.findings & found:
                missing.append(f"{agent.name}: none of {', '.join(sorted(fault.findings))} was found")
            if fault.blocks is not None and watch.blocked(agent) != fault.blocks:
                missing.append(f"{agent.name}: it was {'not ' if fault.blocks else ''}blocked")
            if fault.contains and not (watch.blocked(agent) or agent.name in watch.throttled):
                missing.append(f"{agent.name}: it was neither blocked nor throttled")
        missing += [f"{agent.name}: it is well and was blocked" for agent in self._well() if self._watch.blocked(agent)]
        if fault.everybody and not watch.external:
            missing.append("no incident says that the provider is the cause")
        if fault.hides and (self._hidden is None or self._hidden.code != "agent_quarantined"):
            missing.append("the other name was not refused")
        return missing

    def _well(self) -> Sequence[SimulatedAgent]:
        return [agent for agent in self.agents if agent not in self.ill]

    # What is told

    def _tell(self, text: str) -> None:
        self._say(f"{self._clock() - self._begun:6.1f} s  {text}")

    def _tell_refusals(self) -> None:
        for agent in self.agents:
            if agent.codes:
                told = ", ".join(f"{count} × {code}" for code, count in sorted(agent.codes.items()))
                self._tell(f"{agent.name} ({agent.agent_id})  {agent.answered} answers; {told}")
        for agent in self.ill:
            self._tell(f"{agent.name}  {' → '.join(self._watch.states[agent.name])}")
