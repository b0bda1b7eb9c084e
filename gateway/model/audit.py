"""One line of the audit record."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from gateway.model.value import value

Kind = Literal["decision", "outcome", "finding", "admin", "agent", "gateway"]
"""What was decided before anything was forwarded; how that ended; what does not go together; what an operator changed;
what an agent reports; what the gateway says of itself: starts, recoveries, losses, trimming."""


@value
class AuditEntry:
    """Names and numbers, never text of prompts, arguments or answers.

    Attributes:
        time: seconds since the epoch.
        source: `gateway`, `agent`, or `admin:{key id}`.
        action: in the form `verb:noun`, such as `call:model`, `create:key`.
        of: the entry this one is the outcome of.
        result: `success`, `error`, `client_gone`, `aborted`, or a refusal's code; None where it is not known yet.
        args_hash: keyed hash of what the action was called with.
    """

    time: float
    kind: Kind
    action: str
    source: str = "gateway"
    request_id: str | None = None
    agent_id: str | None = None
    resource: str = ""
    tool: str | None = None
    allowed: bool = True
    rule: str | None = None
    reason: str | None = None
    mode: str | None = None
    policy: str | None = None
    result: str | None = None
    args_hash: str | None = None
    of: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


def decision_id(entry: str) -> str:
    """What a decision is called where agents see it, `dec_<chain>_<seq>`, by its entry `<chain>/<seq>`."""
    return f"dec_{entry.replace('/', '_')}"


def entry_of(decision: str) -> tuple[str, int]:
    """Chain and number of a decision's entry. Raises ValueError for what is no decision's id."""
    prefix, chain, seq = decision.split("_")
    if prefix != "dec":
        raise ValueError(f"not the id of a decision: {decision[:80]!r}")
    return chain, int(seq)
