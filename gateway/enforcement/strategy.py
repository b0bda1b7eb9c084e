"""What a strategy is: one way to stop an agent, and to let it go on, beyond giving it no answers.

A strategy never decides: it is told. It may be told the same twice, also by two replicas, and the second time changes
nothing. What it cannot do it says; no failure of one lets anything through, because agents are blocked at the gateway.
"""

from typing import Protocol

from gateway.model.value import value


class EnforcementFailed(Exception):
    """A strategy could not do what it was told. `reason` is for operators; it holds no secret and no address."""

    def __init__(self, strategy: str, reason: str) -> None:
        super().__init__(f"{strategy}: {reason}")
        self.strategy = strategy
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return (EnforcementFailed, (self.strategy, self.reason))


@value
class Case:
    """Who is meant, and what for."""

    agent_id: str
    incident_id: str


class Strategy(Protocol):
    """`name` is the key it has in the settings. `target` says what it acts on, None for something of one agent alone:
    what two agents run in may not go on while one of them is blocked. Both raise EnforcementFailed."""

    @property
    def name(self) -> str: ...

    @property
    def target(self) -> str | None: ...

    async def contain(self, case: Case) -> None: ...

    async def release(self, case: Case) -> None: ...


class Restarts(Protocol):
    """Begins an agent's program anew. Raises EnforcementFailed."""

    @property
    def name(self) -> str: ...

    async def restart(self, case: Case) -> None: ...


class Resets(Protocol):
    """Asks an agent to start afresh. Raises EnforcementFailed."""

    @property
    def name(self) -> str: ...

    async def reset(self, case: Case) -> None: ...
