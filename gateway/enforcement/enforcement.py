"""What a quarantine does beyond blocking, for whoever decides about agents.

Nothing here decides or un-blocks: agents are blocked at the gateway, whether this succeeds or not.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable

from gateway.enforcement.composite import Composite
from gateway.enforcement.strategy import Case, EnforcementFailed, Resets, Strategy
from gateway.enforcement.targets import NONE, Means, Targets

CONTROL, RESTART = "control_agent", "restart_container"
_MOST_NAMES = 100_000


class Enforcement:
    """Args:
    failed: told the name of a strategy each time one fails.
    blocked: ids of all agents that are blocked now.
    """

    def __init__(
        self,
        *,
        failed: Callable[[str], None] = lambda strategy: None,
        blocked: Callable[[], Iterable[str]] = tuple,
        composite: Composite | None = None,
    ) -> None:
        self._targets = NONE
        self._blocked = blocked
        self._composite = composite or Composite(failed)
        self._names: dict[str, str | None] = {}
        self._again: set[asyncio.Task[list[EnforcementFailed]]] = set()

    def use(self, targets: Targets) -> None:
        """From now on these."""
        self._targets = targets

    @property
    def configured(self) -> bool:
        """Whether there is anything to act on."""
        return bool(self._targets)

    # Who is called how

    def unnamed(self, agent_ids: Iterable[str]) -> list[str]:
        """Those whose names count and were not told yet."""
        return [one for one in agent_ids if one not in self._names] if self._targets.named else []

    def learn(self, agent_id: str, name: str | None) -> None:
        """What an operator called an agent, None for nothing."""
        if len(self._names) >= _MOST_NAMES:
            self._names.clear()
        self._names[agent_id] = name

    def forget(self, agent_id: str) -> None:
        """Have its name asked for again: it may be another by now."""
        self._names.pop(agent_id, None)

    # What can be done

    def targets(self, agent_id: str) -> frozenset[str]:
        """Which of `CONTROL` and `RESTART` there are means for."""
        means = self._means(agent_id)
        found = {CONTROL: means.control, RESTART: means.restart}
        return frozenset(name for name, one in found.items() if one is not None)

    def strategies(self, agent_id: str) -> tuple[str, ...]:
        """Names of the ways in which an agent can be contained, in order."""
        return tuple(strategy.name for strategy in self._means(agent_id).contain)

    async def contain(
        self, agent_id: str, incident_id: str, only: Collection[str] | None = None
    ) -> list[EnforcementFailed]:
        """Stop an agent in every way there is, or those of `only`; what could not be done, after several tries."""
        case = Case(agent_id, incident_id)
        chosen = [one for one in self._means(agent_id).contain if only is None or one.name in only]
        return await self._composite.each(chosen, lambda one: one.contain(case), _name)

    async def release(
        self, agent_id: str, incident_id: str = "", only: Collection[str] | None = None
    ) -> list[EnforcementFailed]:
        """Let it go on, but for what is in `shared`; what could not be done, after several tries."""
        case, kept = Case(agent_id, incident_id), self.shared(agent_id)
        chosen = [
            one
            for one in reversed(self._means(agent_id).contain)
            if (only is None or one.name in only) and one.name not in kept
        ]
        return await self._composite.each(chosen, lambda one: one.release(case), _name)

    def shared(self, agent_id: str) -> frozenset[str]:
        """Names of the strategies by which another agent that is blocked now is stopped in the same place."""
        own = {one.target: one.name for one in self._means(agent_id).contain if one.target is not None}
        others = (self._means(other) for other in self._blocked() if other != agent_id) if own else ()
        return frozenset(own[one.target] for means in others for one in means.contain if one.target in own)

    async def do(self, name: str, agent_id: str, incident_id: str) -> None:
        """Carry out one of `CONTROL` and `RESTART`; may take a minute.

        An agent that is to be told something has to be awake: it is let go for that, and stays blocked at the gateway.

        Raises EnforcementFailed.
        """
        case, means = Case(agent_id, incident_id), self._means(agent_id)
        if name == RESTART and means.restart is not None:
            failures = await self._composite.each([means.restart], lambda one: one.restart(case), lambda one: one.name)
        elif name == CONTROL and means.control is not None:
            failures = await self._reset(means.control, case, [one.name for one in means.contain if one.target])
        else:
            raise EnforcementFailed(name, "there is nothing to do it with: see GATEWAY_ENFORCEMENT_TARGETS")
        if failures:
            raise failures[0]

    async def _reset(self, control: Resets, case: Case, asleep: list[str]) -> list[EnforcementFailed]:
        done = False
        try:
            failures = await self.release(case.agent_id, case.incident_id, asleep)
            if not failures:
                failures = await self._composite.each([control], lambda one: one.reset(case), lambda one: one.name)
            done = not failures
            return failures
        finally:
            if not done:  # also if nobody waits for it any more
                again = asyncio.create_task(self.contain(case.agent_id, case.incident_id, asleep))
                self._again.add(again)
                again.add_done_callback(self._again.discard)
                await asyncio.shield(again)

    def _means(self, agent_id: str) -> Means:
        return self._targets.of(agent_id, self._names.get(agent_id)) or Means()


def _name(strategy: Strategy) -> str:
    return strategy.name
