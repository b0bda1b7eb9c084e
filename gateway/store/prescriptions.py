"""What is prescribed for agents, on every replica: throttles and treatments as part of the replicated control state."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.immune.ladder import Treatment
from gateway.immune.memory import Cause
from gateway.immune.prescription import NOTHING, Prescription, joined, members, prescription_of
from gateway.store.control import ChangeConflict, Control
from gateway.store.vitals import plain

logger = logging.getLogger(__name__)

KIND = "prescription"
THROTTLED = Prescription(("throttle",), concurrent=1)
"""One request at a time."""


@dataclass(frozen=True, slots=True)
class Lasting:
    """A prescription that stays after its treatment. `since` in seconds since the epoch."""

    remedy: str
    cause: Cause
    since: float
    prescription: Prescription


@dataclass(frozen=True, slots=True)
class Case:
    """All that is prescribed for one agent.

    throttled: why it is; None if it is not. incident_id, remedy, cause, since, prescription: of the treatment under
    way, None where there is none. `since` in seconds since the epoch.
    """

    throttled: str | None = None
    incident_id: str | None = None
    remedy: str | None = None
    cause: Cause | None = None
    since: float | None = None
    prescription: Prescription | None = None
    lasting: tuple[Lasting, ...] = ()


_Data = dict[str, Any]


class Prescriptions:
    """Every coroutine returns the epoch that every replica must have applied, and raises StoreUnavailable.

    Attributes:
        on_change: told in memory of an agent for which something else is prescribed now.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._joined: dict[str, Prescription] = {}
        self._cases: dict[str, Case] = {}
        self.on_change: list[Callable[[str, Prescription], None]] = []
        control.on(KIND, self._apply)

    def of(self, agent_id: str) -> Prescription:
        """All that is in force, in one."""
        return self._joined.get(agent_id, NOTHING)

    def case(self, agent_id: str) -> Case | None:
        """What it is made of; None if there is nothing."""
        return self._cases.get(agent_id)

    async def throttle(self, agent_id: str, cause: str) -> int:
        """One request at a time, for as long as `unthrottle` is not said. The first cause stays."""
        return await self._change(agent_id, lambda data: {**data, "throttled": data.get("throttled") or cause or "?"})

    async def unthrottle(self, agent_id: str) -> int:
        return await self._change(agent_id, lambda data: _without(data, "throttled"))

    async def treat(self, agent_id: str, incident_id: str, treatment: Treatment, at: float) -> int:
        """Put a treatment in the place of the one under way. `at` in seconds since the epoch."""
        written = {
            "incident_id": incident_id,
            "remedy": treatment.remedy,
            "cause": treatment.cause,
            "prescription": plain(members(treatment.prescription)),
            "lasting": treatment.lasting,
            "since": at,
        }
        return await self._change(agent_id, lambda data: {**data, "treatment": written})

    async def end(self, agent_id: str, *, keep: bool = True) -> int:
        """End the treatment under way; a lasting one stays in force, but if it failed (`keep` False)."""

        def step(data: _Data) -> _Data:
            treatment = data.get("treatment")
            rest = _without(data, "treatment")
            if not (keep and treatment and treatment["lasting"]):
                return rest
            # Once more against the same cause takes the place of the first time.
            others = [one for one in data.get("lasting", ()) if _which(one) != _which(treatment)]
            lasting = {name: treatment[name] for name in ("remedy", "cause", "since", "prescription")}
            return {**rest, "lasting": [*others, lasting]}

        return await self._change(agent_id, step)

    async def clear(self, agent_id: str) -> int:
        """Take everything away."""
        return await self._change(agent_id, lambda data: {})

    async def _change(self, agent_id: str, step: Callable[[_Data], _Data]) -> int:
        while True:
            before, epoch = self._control.get(KIND, agent_id) or ({}, 0)
            after = step(before)
            if after == before:
                return epoch
            try:
                return await self._control.change(KIND, agent_id, after, expected=epoch)
            except ChangeConflict:
                continue

    def _apply(self, agent_id: str, data: _Data, epoch: int) -> None:
        before = self.of(agent_id)
        case = _case(data)
        if case == Case():
            self._cases.pop(agent_id, None)
            self._joined.pop(agent_id, None)
        else:
            self._cases[agent_id] = case
            self._joined[agent_id] = _joined(case)
        after = self.of(agent_id)
        if after == before:
            return
        logger.info("Prescribed for agent %s: %s", agent_id, ", ".join(after.remedies) or "nothing")
        for listener in self.on_change:
            listener(agent_id, after)


def _joined(case: Case) -> Prescription:
    parts = [one.prescription for one in case.lasting]
    if case.throttled is not None:
        parts.append(THROTTLED)
    if case.prescription is not None:  # the latest word at the end: of two names it is the one that counts
        parts.append(case.prescription)
    return joined(parts)


def _case(data: Mapping[str, Any]) -> Case:
    treatment = data.get("treatment") or {}
    return Case(
        throttled=data.get("throttled"),
        incident_id=treatment.get("incident_id"),
        remedy=treatment.get("remedy"),
        cause=treatment.get("cause"),
        since=treatment.get("since"),
        prescription=prescription_of(treatment["prescription"]) if treatment else None,
        lasting=tuple(
            Lasting(one["remedy"], one["cause"], one["since"], prescription_of(one["prescription"]))
            for one in data.get("lasting", ())
        ),
    )


def _which(one: Mapping[str, Any]) -> tuple[str, str]:
    return one["remedy"], one["cause"]


def _without(data: _Data, member: str) -> _Data:
    return {name: value for name, value in data.items() if name != member}
