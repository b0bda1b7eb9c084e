"""Which agents are blocked, on every replica: the lifecycle of agents as part of the replicated control state.

What is known to be blocked stays blocked while Redis is away; only an operator's word that is newer ends it.
"""

import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

from gateway.model.agent import NO_CREDENTIAL
from gateway.model.lifecycle import Life, Move, drained, quarantined, released
from gateway.store.connection import Connection
from gateway.store.control import ChangeConflict, Control

logger = logging.getLogger(__name__)

KIND = "lifecycle"
_CACHED = 10_000


class Quarantine:
    """The lives of agents that were ever blocked; all others are where every agent begins.

    Args:
        clock: seconds since the epoch.

    Attributes:
        blocked: lives of the agents that get nothing through, by id.
        credentials: when the first agent behind a credential was blocked, by credential id.
        on_blocked: told of every life that comes to be blocked, or blocked in another way, in memory.
        on_moved: told the states before and after each move that `block`, `release` and `drained` made here.
    """

    def __init__(self, control: Control, connection: Connection, *, clock: Callable[[], float]) -> None:
        self._control = control
        self._connection = connection
        self._clock = clock
        self._lives: dict[str, Life] = {}
        self._older: dict[tuple[str, float], None] = {}
        self.blocked: dict[str, Life] = {}
        self.credentials: dict[str, float] = {}
        self.on_blocked: list[Callable[[Life], None]] = []
        self.on_moved: list[Callable[[str, str], None]] = []
        control.on(KIND, self._apply)

    def of(self, agent_id: str) -> Life | None:
        """Where an agent is in its lifecycle; None if it was never moved."""
        return self._lives.get(agent_id)

    def lives(self) -> Iterable[Life]:
        """All that were ever moved."""
        return self._lives.values()

    def state(self, agent_id: str) -> str:
        life = self._lives.get(agent_id)
        return "INITIALIZING" if life is None else life.state

    async def block(
        self,
        agent_id: str,
        reason: str,
        by: str,
        *,
        drain_seconds: float = 0.0,
        credential_id: str = "",
        base: Life | None = None,
    ) -> tuple[Life, int]:
        """Quarantine an agent in an operator's name; the life and the epoch that every replica must have applied.

        Args:
            drain_seconds: how long its running streams may go on.
            credential_id: what its requests show.
            base: its life so far, if it was never blocked. An incident that it names goes on.

        Raises StoreUnavailable.
        """
        made = f"inc_{secrets.token_hex(8)}"

        def step(life: Life) -> Life:
            incident_id = life.incident_id or made
            after = quarantined(life, self._clock(), reason, by, drain_seconds=drain_seconds, incident_id=incident_id)
            return after if after.credential_id else replace(after, credential_id=credential_id)

        return await self._move(agent_id, step, base)

    async def release(self, agent_id: str, reason: str, by: str, base: Life | None = None) -> tuple[Life, int]:
        """Let an agent through again. Raises IllegalMove, StoreUnavailable."""
        return await self._move(agent_id, lambda life: released(life, self._clock(), reason, by), base)

    def drain_over(self) -> list[Life]:
        """The agents whose streams have had their time."""
        now = self._clock()
        return [life for life in self.blocked.values() if life.state == "DRAINING" and life.drain_until <= now]

    async def drained(self, agent_id: str) -> None:
        """An agent's streams are over. Raises StoreUnavailable."""
        await self._move(agent_id, lambda life: drained(life, self._clock()))

    async def existed(self, agent_id: str, before: float) -> bool:
        """Whether an agent had been seen before a time. Raises StoreUnavailable."""
        if (agent_id, before) in self._older:
            return True
        first = await self._connection.execute("HGET", self._connection.keys.agent(agent_id), "first_seen")
        older = first is not None and int(first) / 1000 < before
        if older:
            if len(self._older) >= _CACHED:  # bounded: callers choose the ids
                self._older.clear()
            self._older[agent_id, before] = None
        return older

    async def change(self, agent_id: str, step: Callable[[Life], Life], base: Life | None = None) -> tuple[Life, int]:
        """Move an agent; the life and the epoch that every replica must have applied.

        Args:
            step: may be asked again, of the life as somebody else has left it; what it raises is passed on.
            base: its life so far, if it was never blocked.

        Raises StoreUnavailable.
        """
        while True:
            found = self._control.get(KIND, agent_id)
            before, epoch = (
                base or Life(agent_id) if found is None else _read(agent_id, found[0]),
                0 if found is None else found[1],
            )
            after = step(before)
            if after == before:
                return before, epoch
            try:
                return after, await self._control.change(KIND, agent_id, _written(after), expected=epoch)
            except ChangeConflict:
                continue

    async def _move(self, agent_id: str, step: Callable[[Life], Life], base: Life | None = None) -> tuple[Life, int]:
        before = Life(agent_id)

        def noted(life: Life) -> Life:
            nonlocal before
            before = life
            return step(life)

        after, epoch = await self.change(agent_id, noted, base)
        known = set(before.history)
        for earlier, later in pairwise([before.state, *(move.state for move in after.history if move not in known)]):
            for listener in self.on_moved:
                listener(earlier, later)
        return after, epoch

    def _apply(self, agent_id: str, data: dict[str, Any], epoch: int) -> None:
        life = _read(agent_id, data)
        before = self._lives.get(agent_id)
        self._lives[agent_id] = life
        if life.blocked:
            self.blocked[agent_id] = life
            self._bind(life)
        elif self.blocked.pop(agent_id, None) is not None:
            self.credentials.clear()
            for other in self.blocked.values():
                self._bind(other)
        if life.blocked and (before is None or before.state != life.state):
            logger.info("Agent %s is %s (incident %s)", agent_id, life.state, life.incident_id)
            for listener in self.on_blocked:
                listener(life)
        elif before is not None and before.blocked and not life.blocked:
            logger.info("Agent %s is %s", agent_id, life.state)

    def _bind(self, life: Life) -> None:
        if life.credential_id not in ("", NO_CREDENTIAL):
            since = self.credentials.get(life.credential_id, life.blocked_at)
            self.credentials[life.credential_id] = min(since, life.blocked_at)


def _written(life: Life) -> dict[str, Any]:
    data = asdict(life)
    del data["agent_id"]
    return data


def _read(agent_id: str, data: dict[str, Any]) -> Life:
    moves = tuple(Move(**move) for move in data["history"])
    return Life(agent_id, **{**data, "history": moves})
