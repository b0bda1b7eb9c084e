"""The lifecycle of an agent as a table: which state may follow which, and which states get nothing through.

    INITIALIZING → HEALTHY ⇄ SUSPECTED        any of them, or PROBATION → DRAINING → QUARANTINED
    QUARANTINED → HEALING → PROBATION → HEALTHY      HEALING → EXHAUSTED → HEALING
    QUARANTINED, EXHAUSTED → PROBATION when an operator releases

A move that is not in the table raises: whoever wants it has not understood the state the agent is in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

State = Literal["INITIALIZING", "HEALTHY", "SUSPECTED", "PROBATION", "DRAINING", "QUARANTINED", "HEALING", "EXHAUSTED"]

MOVES: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        "INITIALIZING": frozenset({"HEALTHY", "DRAINING"}),
        "HEALTHY": frozenset({"SUSPECTED", "DRAINING"}),
        "SUSPECTED": frozenset({"HEALTHY", "DRAINING"}),
        "PROBATION": frozenset({"HEALTHY", "DRAINING"}),
        "DRAINING": frozenset({"QUARANTINED"}),
        "QUARANTINED": frozenset({"HEALING", "PROBATION"}),
        "HEALING": frozenset({"PROBATION", "EXHAUSTED"}),
        "EXHAUSTED": frozenset({"HEALING", "PROBATION"}),
    }
)

BLOCKED: frozenset[State] = frozenset({"DRAINING", "QUARANTINED", "HEALING", "EXHAUSTED"})
"""Nothing new of an agent in these states is forwarded."""

KEPT_MOVES = 20
"""The latest moves that are remembered of one agent."""


class IllegalMove(Exception):
    """The table has no such move."""

    def __init__(self, before: State, after: State) -> None:
        super().__init__(f"An agent that is {before} cannot become {after}.")

    def __reduce__(self) -> tuple[object, ...]:
        return (Exception, self.args)


@dataclass(frozen=True, slots=True)
class Move:
    """One step. `at` is seconds since the epoch; `by` a person's key id, or `gateway`."""

    state: State
    at: float
    cause: str
    by: str


@dataclass(frozen=True, slots=True)
class Life:
    """Where one agent is in its lifecycle. Times in seconds since the epoch.

    `held` says that an operator put it into quarantine, so that only an operator may end that; `sigma` that the gateway
    did, on statistical evidence alone, of which only a share of all agents may be blocked. `drain_until` is when
    its running streams are cut. `credential_id` is what its requests showed when it was blocked; other unverified ids
    that first come with it afterwards are blocked as well.
    """

    agent_id: str
    state: State = "INITIALIZING"
    since: float = 0.0
    reason: str = ""
    by: str = ""
    incident_id: str | None = None
    held: bool = False
    sigma: bool = False
    drain_until: float = 0.0
    credential_id: str = ""
    history: tuple[Move, ...] = ()

    @property
    def blocked(self) -> bool:
        return self.state in BLOCKED

    @property
    def blocked_at(self) -> float:
        """When the latest block began; of one that has outlived the moves that are remembered, the first of these."""
        began = (move.at for move in reversed(self.history) if move.state == "DRAINING")
        return next(began, self.history[0].at if self.history else self.since)

    def moved(self, state: State, at: float, cause: str, by: str) -> "Life":
        """The same agent one move later. Raises IllegalMove."""
        if state not in MOVES[self.state]:
            raise IllegalMove(self.state, state)
        history = (*self.history, Move(state, at, cause, by))[-KEPT_MOVES:]
        return replace(self, state=state, since=at, history=history)


def quarantined(life: Life, at: float, reason: str, by: str, *, drain_seconds: float, incident_id: str) -> Life:
    """Blocked by an operator; one that is blocked already stays as it is, but from now on the operator holds it."""
    held = replace(life, held=True, sigma=False, reason=reason, by=by)
    if life.blocked and (life.state != "DRAINING" or drain_seconds > 0):
        return life if life.held else held
    if life.state != "DRAINING":
        held = replace(held, incident_id=incident_id, drain_until=at + drain_seconds)
        held = held.moved("DRAINING", at, reason, by)
    return held if drain_seconds > 0 else held.moved("QUARANTINED", at, reason, by)


def drained(life: Life, at: float) -> Life:
    """Its running streams are over."""
    return life.moved("QUARANTINED", at, "drained", "gateway") if life.state == "DRAINING" else life


def released(life: Life, at: float, reason: str, by: str) -> Life:
    """Let through again by an operator, on probation; one that is not blocked stays as it is.

    Raises IllegalMove: it is being healed.
    """
    if not life.blocked:
        return life
    if life.state == "HEALING":  # only the end of the healing leads from there to probation
        raise IllegalMove(life.state, "PROBATION")
    free = drained(life, at).moved("PROBATION", at, reason, by)
    return replace(free, held=False, sigma=False, reason="", by="", incident_id=None, drain_until=0.0, credential_id="")
