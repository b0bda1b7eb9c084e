"""What the client raises. None of it holds a key or an argument."""

from collections.abc import Sequence
from typing import Any

INTENT_WORDS = frozenset(
    {"tool_not_in_intent", "arguments_mismatch", "step_order", "uses_exhausted", "expired", "not_yet_valid"}
    | {"wrong_agent", "revoked", "bad_signature", "malformed"}
)
"""Why an intent token does not allow something."""


class GatewayError(Exception):
    """Anything the gateway, or the way to it, made of a call.

    Attributes:
        detail: for a person.
        status: of the answer; None where there was none.
        errors: fields at fault, `{"field", "message"}` each.
    """

    def __init__(self, detail: str, status: int | None = None, errors: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(detail, status, errors)
        self.detail = detail
        self.status = status
        self.errors = tuple(errors)

    def __str__(self) -> str:
        fields = "; ".join(f"{error.get('field')}: {error.get('message')}" for error in self.errors)
        return f"{self.detail} ({fields})" if fields else self.detail


class AuthenticationError(GatewayError):
    """The key is missing, unknown, expired or revoked (401)."""


class PermissionDenied(GatewayError):
    """The key is good, but not for this (403)."""


class IntentError(PermissionDenied):
    """An intent token cannot be used. `reason`: one of INTENT_WORDS."""

    reason: str = ""


class InvalidRequest(GatewayError):
    """The gateway does not take what was sent (other 4xx): `errors` says why."""


class GatewayUnavailable(GatewayError):
    """No decision was given: the gateway was not reached, or cannot say (5xx). Do not act on it."""


class RateLimited(GatewayError):
    """Too many calls (429). `retry_after` in seconds, if the gateway said it."""

    retry_after: float | None = None


class PolicyViolationError(Exception):
    """An action that was asked about is denied.

    Attributes:
        tool_name: the tool, or the action where no tool was named.
        mode: the operational mode it was denied in, None if none had a say.
        rule: the clause that decided.
        decision_id: `dec_…`, by which operators find the decision in the audit record.
    """

    rule: str = ""
    decision_id: str = ""

    def __init__(self, tool_name: str, mode: str | None, reason: str) -> None:
        super().__init__(tool_name, mode, reason)
        self.tool_name = tool_name
        self.mode = mode
        self.reason = reason

    def __str__(self) -> str:
        where = f" in mode {self.mode}" if self.mode else ""
        return f"{self.tool_name} is denied{where}: {self.reason}"


class ApprovalRequired(PolicyViolationError):
    """A person has to approve first; then ask again for the same."""

    approval_id: str = ""


class IntentDenied(PolicyViolationError):
    """A policy denies a step of a plan: the first one is what the members are about; `step` is its id."""

    step: str = ""
