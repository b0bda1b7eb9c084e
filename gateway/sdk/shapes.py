"""What the client returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.sdk.errors import ApprovalRequired, IntentDenied, PolicyViolationError


@dataclass(frozen=True, slots=True)
class CreatedAgent:
    """A new agent. `api_key` is shown this once."""

    agent_id: str
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something may be done; true where it may.

    Attributes:
        tool: what was asked about: the tool, else the action.
        rule: the clause that decided; `lifecycle` for a quarantined agent, `approval` where a person has to say.
        mode: the operational mode, None where no policy has modes.
        approval_id: what the person decides about.
    """

    tool: str
    allowed: bool
    reason: str
    rule: str
    decision_id: str
    mode: str | None = None
    approval_id: str | None = None

    def __bool__(self) -> bool:
        return self.allowed

    def raise_for_denial(self) -> "Decision":
        """The decision itself. Raises PolicyViolationError for a denial, ApprovalRequired if a person may lift it."""
        if self.allowed:
            return self
        error = PolicyViolationError(self.tool, self.mode, self.reason)
        if self.approval_id is not None:
            error = ApprovalRequired(self.tool, self.mode, self.reason)
            error.approval_id = self.approval_id
        error.rule, error.decision_id = self.rule, self.decision_id
        raise error


@dataclass(frozen=True, slots=True)
class Intent:
    """An intent that was minted.

    Attributes:
        token: binds calls to the intent, in `headers` of model requests and MCP clients, or in `meta` of one MCP call.
        expires_at: RFC 3339.
        decisions: what was decided about each step, by its id.
    """

    intent_id: str
    token: str = field(repr=False)
    expires_at: str
    decisions: Mapping[str, Decision]

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Intent-Token": self.token}

    @property
    def meta(self) -> dict[str, str]:
        return {"io.leuko/intent": self.token}


@dataclass(frozen=True, slots=True)
class CallToken:
    """The proof that exactly one call was allowed. `audience`: the MCP server it is for, `tools` where none was named.
    A tool server takes it once, until `expires_at` (RFC 3339)."""

    tool_call_id: str
    token: str = field(repr=False)
    tool: str
    audience: str
    decision_id: str
    expires_at: str
    intent_id: str | None = None


def step_decisions(decisions: Sequence[Mapping[str, Any]]) -> dict[str, Decision]:
    """As the gateway lists them, by the id of the step."""
    return {
        one["step"]: Decision(one["tool"], one["allowed"] is True, one["reason"], one["rule"], one["decision_id"])
        for one in decisions
    }


def denied_intent(decisions: Sequence[Mapping[str, Any]]) -> IntentDenied:
    """The error for a plan that was denied."""
    step, first = next(pair for pair in step_decisions(decisions).items() if not pair[1].allowed)
    error = IntentDenied(first.tool, None, first.reason)
    error.step, error.rule, error.decision_id = step, first.rule, first.decision_id
    return error
