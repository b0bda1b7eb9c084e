"""Which intents were revoked, in memory on every replica: one by one, or all that an agent had until some moment.

An intent is revoked with any that it was narrowed from. All that an agent had when it was quarantined are revoked for
good, by the very change that quarantined it.
"""

from collections.abc import Callable
from typing import Any

from gateway.intents.claims import LONGEST_INTENT, IntentClaims
from gateway.intents.tokens import LEEWAY
from gateway.store.control import ChangeConflict, Control
from gateway.store.quarantine import KIND as LIFECYCLE

KIND = "intents"
MOST = 1000
"""Intents of one agent that are revoked one by one; then all that it has are."""

_BLOCKED = frozenset({"DRAINING", "QUARANTINED"})
_OVER = 2 * LEEWAY  # seconds after its end that nobody takes a token
_SKEW = LEEWAY - 1  # seconds that the clock of whoever minted may go before that of whoever revokes


class Revocations:
    """Only agents with revoked intents are held.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, control: Control, *, clock: Callable[[], float]) -> None:
        self._control = control
        self._clock = clock
        self._of: dict[str, tuple[str, ...]] = {}
        self._revoked: set[str] = set()
        self._before: dict[str, float] = {}
        self._blocked: dict[str, float] = {}
        control.on(KIND, self._learn)
        control.on(LIFECYCLE, self._learn_life)

    def is_revoked(self, claims: IntentClaims) -> bool:
        """Whether an intent that was good once is good no more. In memory."""
        revoked, before, blocked = self._revoked, self._before, self._blocked
        if revoked and (claims.jti in revoked or any(parent in revoked for parent in claims.parents)):
            return True
        if not before and not blocked:
            return False
        return any(claims.issued <= self.before(agent_id) for agent_id in (claims.agent_id, *claims.act))

    def before(self, agent_id: str) -> float:
        """Everything minted for this agent that says it was issued by then is revoked; seconds since the epoch."""
        at = max(self._before.get(agent_id, 0.0), self._blocked.get(agent_id, 0.0))
        return at + _SKEW if at else 0.0

    async def revoke(self, agent_id: str, jti: str, expires: float) -> int:
        """Revoke one intent of an agent and all that were narrowed from it; the epoch of the change.

        Raises StoreUnavailable.
        """

        def step(revoked: dict[str, float], before: float | None) -> dict[str, Any]:
            revoked = {**revoked, jti: expires}
            if len(revoked) > MOST:
                return {"before": self._clock(), "revoked": {}}
            return {"before": before, "revoked": revoked}

        return await self._change(agent_id, step)

    async def revoke_all(self, agent_id: str) -> int:
        """Revoke all that an agent has by now; the epoch of the change. Raises StoreUnavailable."""

        def step(revoked: dict[str, float], before: float | None) -> dict[str, Any]:
            # What it gets from now on is good: clocks are taken to agree here, as its block was well before.
            return {"before": max(before or 0.0, self._clock() - _SKEW), "revoked": revoked}

        return await self._change(agent_id, step)

    async def _change(self, agent_id: str, step: Callable[[dict[str, float], float | None], dict[str, Any]]) -> int:
        while True:
            data, epoch = self._control.get(KIND, agent_id) or ({}, 0)
            now, before = self._clock(), data.get("before")
            known = {jti: end for jti, end in data.get("revoked", {}).items() if end + _OVER > now}
            if before is not None and before + LONGEST_INTENT + _OVER < now:
                before = None
            try:
                return await self._control.change(KIND, agent_id, step(known, before), expected=epoch)
            except ChangeConflict:
                continue

    def _learn(self, agent_id: str, data: dict[str, Any], epoch: int) -> None:
        now = self._clock()
        self._revoked.difference_update(self._of.pop(agent_id, ()))
        held = tuple(jti for jti, end in data["revoked"].items() if end + _OVER > now)
        if held:
            self._of[agent_id] = held
            self._revoked.update(held)
        self._before.pop(agent_id, None)
        if data["before"] is not None and data["before"] + LONGEST_INTENT + _OVER > now:
            self._before[agent_id] = data["before"]

    def _learn_life(self, agent_id: str, data: dict[str, Any], epoch: int) -> None:
        at = max((move["at"] for move in data["history"] if move["state"] in _BLOCKED), default=0.0)
        if at + LONGEST_INTENT + _OVER > self._clock():
            self._blocked[agent_id] = at
