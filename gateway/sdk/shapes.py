"""What the client returns."""

from dataclasses import dataclass, field

from gateway.sdk.errors import ApprovalRequired, PolicyViolationError


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
