"""How often one agent may ask one thing of the agents' API: a sliding minute that all replicas count together."""

import math
from collections.abc import Callable

from gateway.edge.admin.problems import Problem
from gateway.model.agent import Agent
from gateway.policy.bounds import Bound, Kind
from gateway.policy.claim import Claim
from gateway.policy.local_windows import LocalWindows
from gateway.store.errors import StoreError
from gateway.store.limits import Limits, Refused


class Pace:
    """Awaited with an agent before something is done for it.

    While Redis cannot be asked each process lets its own share pass.

    Args:
        name: what is counted, such as `logs`.
        most: how many in any minute.
        replicas: how many processes share the limit.
        clock: monotonic seconds. new_id: of what is counted.
    """

    def __init__(
        self,
        limits: Limits,
        name: str,
        most: int,
        *,
        replicas: Callable[[], int] = lambda: 1,
        clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._limits = limits
        self._name = name
        self._bound = Bound(f"{name}_per_minute", Kind("requests", "minute"), most, False)
        self._replicas = replicas
        self._clock = clock
        self._new_id = new_id
        self._windows = LocalWindows()

    async def __call__(self, agent: Agent) -> None:
        """Raises Problem 429 with the seconds to wait."""
        claims = [Claim(self._bound, f"{self._name}:agent:{agent.agent_id}", self._name, 1.0)]
        reservation = self._limits.open(self._new_id(), claims, None)
        try:
            found = await self._limits.reserve(reservation, wanted=0, least=0)
        except StoreError:
            full = self._windows.take(claims, self._clock(), replicas=max(1, self._replicas()))
            if full is not None:
                raise self._problem(full[1]) from None
            found = None
        if isinstance(found, Refused):
            raise self._problem(found.wait)
        self._limits.settle(reservation, (1,))  # it may have been counted, whatever came back

    def _problem(self, wait: float) -> Problem:
        message = f"An agent may do this {self._bound.most} times a minute ({self._bound.name})."
        return Problem(429, message, retry_after=max(1, math.ceil(wait)))
