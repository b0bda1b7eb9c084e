"""Says what becomes of agents that are healed: in the audit record, to whoever watches the events, to webhooks, and in
the metrics. Names and numbers only."""

from collections.abc import Callable
from typing import Any, Protocol

from gateway.model.audit import AuditEntry
from gateway.model.lifecycle import Life


class Numbers(Protocol):
    """What is counted for metrics."""

    def moved(self, before: str, after: str) -> None: ...

    def treated(self, remedy: str, outcome: str) -> None: ...

    def healed_after(self, seconds: float) -> None: ...


class TellHealing:
    """In memory; nothing here waits or raises.

    Args:
        audit: takes a line of the record. notify: tells whoever watches the events. alert: webhooks: of a kind, with
            data, once an id.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        numbers: Numbers,
        *,
        audit: Callable[[AuditEntry], object],
        notify: Callable[[str, dict[str, Any]], None],
        alert: Callable[[str, dict[str, Any], str], None],
        clock: Callable[[], float],
    ) -> None:
        self._numbers = numbers
        self._audit = audit
        self._notify = notify
        self._alert = alert
        self._clock = clock

    def moved(self, before: Life, after: Life) -> None:
        """An agent has made one move, or none."""
        if after.state == before.state:
            return
        cause = after.history[-1].cause if after.history else ""
        self._numbers.moved(before.state, after.state)
        data = {"agent_id": after.agent_id, "before": before.state, "state": after.state, "cause": cause}
        self._notify("lifecycle", {**data, "incident_id": after.incident_id})
        self._note(after.agent_id, after.incident_id or "", f"move:{after.state}", cause)
        if before.blocked and not after.blocked:
            told = {"agent_id": after.agent_id, "incident_id": before.incident_id, "reason": cause}
            self._alert("agent.released", told, f"{before.incident_id}:{after.since}")

    def quarantined(self, life: Life) -> None:
        """An agent was blocked because a person agreed to it."""
        data = {"agent_id": life.agent_id, "incident_id": life.incident_id, "reason": life.reason}
        self._alert("agent.quarantined", data, f"{life.incident_id}:{life.since}")

    def treated(self, agent_id: str, incident_id: str, remedy: str, cause: str, outcome: str) -> None:
        """A remedy was `applied`, or it `healed` or `failed`."""
        self._numbers.treated(remedy, outcome)
        data = {"agent_id": agent_id, "incident_id": incident_id, "remedy": remedy, "cause": cause, "outcome": outcome}
        self._notify("healing", data)
        self._note(agent_id, incident_id, f"heal:{remedy}", cause, outcome)

    def healed(self, life: Life) -> None:
        """A treatment has made an agent healthy again."""
        blocked_at = None
        for move in reversed(life.history[:-1] if life.state == "HEALTHY" else life.history):
            if move.state == "HEALTHY":
                break
            blocked_at = move.at if move.state == "DRAINING" else blocked_at
        if blocked_at is not None:
            self._numbers.healed_after(self._clock() - blocked_at)

    def exhausted(self, agent_id: str, incident_id: str) -> None:
        """No remedy is left."""
        data = {"agent_id": agent_id, "incident_id": incident_id, "outcome": "exhausted"}
        self._notify("healing", data)
        self._alert("agent.exhausted", data, f"{incident_id}:{self._clock()}")
        self._note(agent_id, incident_id, "heal:exhausted", "no remedy is left", "exhausted")

    def _note(self, agent_id: str, incident_id: str, action: str, reason: str, outcome: str | None = None) -> None:
        entry = AuditEntry(
            self._clock(),
            "gateway",
            action,
            agent_id=agent_id,
            resource=incident_id,
            rule="immune",
            reason=reason,
            metadata={} if outcome is None else {"outcome": outcome},
        )
        self._audit(entry)
