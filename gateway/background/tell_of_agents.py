"""Says what is found of agents, done about it, and what becomes of them: in the audit record, to whoever watches the
events, to webhooks, and in the metrics. Names and numbers only."""

from collections.abc import Callable
from typing import Any, Protocol

from gateway.immune.finding import Finding
from gateway.immune.lifecycle import Step
from gateway.model.audit import AuditEntry
from gateway.model.bounded import Seldom
from gateway.model.lifecycle import Life

_AGAIN_SECONDS = 60.0
_REMEMBERED = 10_000


class Numbers(Protocol):
    """What is counted for metrics."""

    def finding(self, type_: str) -> None: ...

    def moved(self, before: str, after: str) -> None: ...

    def treated(self, remedy: str, outcome: str) -> None: ...

    def healed_after(self, seconds: float) -> None: ...


class TellOfAgents:
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
        self._seldom = Seldom(_AGAIN_SECONDS, _REMEMBERED, clock)

    def found(self, finding: Finding) -> None:
        """The like of the same agent is counted each time, and told once a minute."""
        self._numbers.finding(finding.type)
        if not self._seldom.due((finding.agent_id, finding.type, finding.metric)):
            return
        told = {"type": finding.type, "metric": finding.metric, "deviation": finding.deviation, "hard": finding.hard}
        self._notify("finding", {"agent_id": finding.agent_id, "request_id": finding.request_id, **told})
        self._audit(
            AuditEntry(
                self._clock(),
                "finding",
                f"find:{finding.type}",
                request_id=finding.request_id,
                agent_id=finding.agent_id,
                resource=finding.model or "",
                rule=f"immune/{finding.type}",
                metadata={**told, "detail": dict(finding.detail)},
            )
        )

    def warned(self, life: Life, step: Step) -> None:
        """People are to know of an agent about which nothing, or not all, is done."""
        data = {"agent_id": life.agent_id, "cause": step.cause, "withheld": step.withheld}
        self._notify("immune.alert", data)
        self._alert("immune.alert", data, f"{life.incident_id}:{step.cause}")
        self.did(life, f"withhold:{step.withheld}" if step.withheld else "alert", step.cause)

    def did(self, life: Life, action: str, cause: str) -> None:
        """Something that only the record needs to know was done about an agent."""
        self._note(life.agent_id, life.incident_id or "", action, cause)

    def moved(self, before: Life, after: Life) -> None:
        """An agent has made one move, or none."""
        if after.state == before.state:
            return
        cause = after.history[-1].cause if after.history else ""
        self._numbers.moved(before.state, after.state)
        data = {"agent_id": after.agent_id, "before": before.state, "state": after.state, "cause": cause}
        self._notify("lifecycle", {**data, "incident_id": after.incident_id})
        self.did(after, f"move:{after.state}", cause)
        if before.blocked and not after.blocked:
            told = {"agent_id": after.agent_id, "incident_id": before.incident_id, "reason": cause}
            self._alert("agent.released", told, f"{before.incident_id}:{after.since}")

    def quarantined(self, life: Life) -> None:
        """An agent was blocked by the gateway, or because a person agreed to it."""
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
