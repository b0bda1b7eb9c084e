"""Operational modes that operators set, on every replica alike: of everybody, or of a part of the deployment.

A mode is set for a scope: `agent:ID`, `team:NAME`, `environment:NAME`, `policy:NAME`, or `everyone`; the most specific
scope that a decision falls under counts, in this order. Where none is set, or its time is over, a document is in its
start mode; so is one that does not have the mode.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gateway.model.agent import Agent
from gateway.store.control import Control

EVERYONE = "everyone"
MOST = 1000
"""Scopes that may have a mode at a time."""

_KIND = "mode"
_POLICY = "policy:"
_REMEMBERED = 10_000
_NONE: Mapping[str, str] = MappingProxyType({})


class TooManyModes(Exception):
    """As many scopes as may be have a mode already."""


@dataclass(frozen=True, slots=True)
class SetMode:
    """One scope's mode. `mode` None: whatever was set is over. Times in seconds since the epoch; `until` None: for
    good. `by` is the key id of whoever set it."""

    scope: str
    mode: str | None
    reason: str
    by: str
    since: float
    until: float | None = None


class ModesInForce(Mapping[str, str]):
    """The mode of every document for one agent, by the document's name.

    Iterating gives only the documents that have a mode of their own: others are not known by name here.
    """

    __slots__ = ("_policies", "_stronger", "_weaker")

    def __init__(self, stronger: str | None, policies: Mapping[str, str], weaker: str | None) -> None:
        self._stronger = stronger
        self._policies = policies
        self._weaker = weaker

    def __getitem__(self, document: str) -> str:
        mode = self._stronger or self._policies.get(document) or self._weaker
        if mode is None:
            raise KeyError(document)
        return mode

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def __len__(self) -> int:
        return len(self._policies)

    def __bool__(self) -> bool:
        return bool(self._stronger or self._weaker or self._policies)


class Modes:
    """Kept in the control state, so that none is lost with a Redis that comes back empty; asked in memory.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, control: Control, *, clock: Callable[[], float]) -> None:
        self._control = control
        self._clock = clock
        self._known: dict[str, SetMode] = {}
        self._policies: dict[str, str] = {}
        self._cached: dict[str, tuple[Agent, ModesInForce]] = {}
        self._until = float("inf")
        control.on(_KIND, self._learn)

    def of(self, agent: Agent) -> Mapping[str, str]:
        """The mode of each document at this moment for this agent; to be asked anew for each decision."""
        if not self._known:
            return _NONE
        if self._clock() >= self._until:
            self._renew()
        known = self._cached.get(agent.agent_id)
        if known is None or (known[0] is not agent and known[0] != agent):
            if len(self._cached) >= _REMEMBERED:  # keyed by what callers send: must not grow with them
                self._cached.clear()
            known = self._cached[agent.agent_id] = agent, self._in_force(agent)
        return known[1]

    def all(self) -> list[SetMode]:
        """What is set at this moment, in the order of scopes."""
        now = self._clock()
        return [self._known[scope] for scope in sorted(self._known) if _holds(self._known[scope], now)]

    def get(self, scope: str) -> SetMode | None:
        found = self._known.get(scope)
        return found if found is not None and _holds(found, self._clock()) else None

    async def set(
        self, mode: str | None, *, scope: str = EVERYONE, reason: str, by: str, ttl_seconds: float | None = None
    ) -> tuple[SetMode, int]:
        """Set a scope's mode, or (None) let its documents be in their start mode again; it counts for every decision
        from then on. Returns it and the epoch that every replica must have applied.

        Raises StoreUnavailable, TooManyModes.
        """
        now = self._clock()
        if mode is not None and self.get(scope) is None and len(self.all()) >= MOST:
            raise TooManyModes(f"There are {MOST} scopes with a mode already.")
        made = SetMode(scope, mode, reason, by, now, None if ttl_seconds is None else now + ttl_seconds)
        data = {"mode": mode, "reason": reason, "by": by, "since": now, "until": made.until}
        return made, await self._control.change(_KIND, scope, data)

    def _learn(self, scope: str, data: dict[str, Any], epoch: int) -> None:
        found = SetMode(scope, data["mode"], data["reason"], data["by"], data["since"], data["until"])
        if found.mode is None:
            self._known.pop(scope, None)
        else:
            self._known[scope] = found
        self._renew()

    def _renew(self) -> None:
        """Forget what was worked out, and what is over."""
        now = self._clock()
        self._known = {scope: found for scope, found in self._known.items() if _holds(found, now)}
        self._until = min(
            (found.until for found in self._known.values() if found.until is not None), default=float("inf")
        )
        self._cached.clear()
        self._policies = {
            scope.removeprefix(_POLICY): found.mode
            for scope, found in self._known.items()
            if scope.startswith(_POLICY) and found.mode is not None
        }

    def _in_force(self, agent: Agent) -> ModesInForce:
        scopes = [f"agent:{agent.agent_id}"]
        if agent.owner_team is not None:
            scopes.append(f"team:{agent.owner_team}")
        if agent.environment is not None:
            scopes.append(f"environment:{agent.environment}")
        stronger = next((self._mode(scope) for scope in scopes if scope in self._known), None)
        return ModesInForce(stronger, self._policies, self._mode(EVERYONE))

    def _mode(self, scope: str) -> str | None:
        found = self._known.get(scope)
        return None if found is None else found.mode


def _holds(found: SetMode, now: float) -> bool:
    return found.until is None or now < found.until
