"""What operators decided about agents' ids, on every replica: deactivated, merged into another, kept apart.

Kept with the control state, so that it is there without Redis and cannot be undone by a Redis that comes back older.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.store.control import ChangeConflict

KIND = "agent"
_HOPS = 8


class Changes(Protocol):
    """The replicated state of operators' decisions (`Control`)."""

    def on(self, kind: str, listener: Any) -> None: ...

    def get(self, kind: str, id: str) -> tuple[dict[str, Any], int] | None: ...

    async def change(self, kind: str, id: str, data: Mapping[str, Any], *, expected: int | None = None) -> int: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """`into`: the agent it stands for. `apart`: what came with it differs enough as soon as one feature does."""

    active: bool = True
    into: str | None = None
    apart: bool = False


_NONE = Rule()


class AgentRules:
    """Only ids about which something was decided are held."""

    def __init__(self, control: Changes) -> None:
        self._control = control
        self._rules: dict[str, Rule] = {}
        control.on(KIND, self._apply)

    def of(self, agent_id: str) -> Rule:
        return self._rules.get(agent_id, _NONE)

    def is_inactive(self, agent_id: str) -> bool:
        rule = self._rules.get(agent_id)
        return rule is not None and not rule.active

    def is_apart(self, agent_id: str) -> bool:
        return self.of(agent_id).apart

    def stands_for(self, agent_id: str) -> str:
        """Where the id was merged into, over several merges."""
        if agent_id not in self._rules:
            return agent_id
        for _ in range(_HOPS):
            into = self.of(agent_id).into
            if into is None:
                break
            agent_id = into
        return agent_id

    def merged_into(self, agent_id: str) -> list[str]:
        """The ids that were merged into this one directly."""
        return sorted(one for one, rule in self._rules.items() if rule.into == agent_id)

    async def change(self, agent_id: str, **changes: Any) -> int:
        """Set `active`, `into`, `apart` on every replica; without any, say that something else of it was changed.

        The epoch of the change.

        Raises StoreUnavailable.
        """
        while True:
            data, epoch = self._control.get(KIND, agent_id) or ({}, 0)
            try:
                return await self._control.change(KIND, agent_id, {**data, **changes}, expected=epoch)
            except ChangeConflict:
                continue

    def _apply(self, agent_id: str, data: dict[str, Any], epoch: int) -> None:
        rule = Rule(data.get("active", True), data.get("into"), data.get("apart", False))
        if rule == _NONE:
            self._rules.pop(agent_id, None)
        else:
            self._rules[agent_id] = rule
