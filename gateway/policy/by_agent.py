"""What documents come to for each agent, worked out once."""

from collections.abc import Callable
from typing import Generic, TypeVar

from gateway.model.agent import Agent
from gateway.model.bounded import make_room

_REMEMBERED = 10_000

T = TypeVar("T")


class ByAgent(Generic[T]):
    """`make` works it out; what it gives has to depend on the agent alone."""

    def __init__(self, make: Callable[[Agent], T]) -> None:
        self._make = make
        self._known: dict[str, tuple[Agent, T]] = {}

    def of(self, agent: Agent) -> T:
        known = self._known.get(agent.agent_id)  # not by all of the agent: hashing that takes longer than all the rest
        if known is not None and known[0] is agent:
            return known[1]
        if known is not None and known[0] == agent:
            found = known[1]  # the next time it is this one, read anew
        else:
            make_room(self._known, _REMEMBERED)  # keyed by what callers send: must not grow with them
            found = self._make(agent)
        self._known[agent.agent_id] = agent, found
        return found
