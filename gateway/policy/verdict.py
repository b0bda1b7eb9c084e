"""What a policy answers."""

from dataclasses import dataclass

from gateway.model.value import value
from gateway.policy.clauses import Execution, OnDeny


@value
class Count:
    """Something to be counted if the call is let through: `amount` under `key`, at most `limit` a `period`.

    `period` is `day`, `month`, `hour` or `conversation`. Of a `sequence` clause, amount 0, only the time counts.
    """

    key: str
    amount: float = 0.0
    limit: float | None = None
    period: str = "day"
    rule: str = ""
    reason: str = ""


@value
class Grant:
    """That a call is executed only if a model has proposed it (`required`), or that one nobody proposed is told."""

    rule: str
    required: bool


@value
class Verdict:
    """Allow or deny, and why.

    Attributes:
        rule: the clause that decided, such as `ops/deny/0` or `ops/tools/run_command/command`.
        reason: for the agent and the record; never an argument.
        approval: a person has to approve the call first; `allowed` is True then.
        policy: name and version of the document that decided, `ops@3`; None if none had a say.
        shadowed: what a document in shadow would have denied: its rule and reason.
        counts: what has to be counted before the call leaves.
        step: the step of the agent's intent that it uses; None where it is not bound by any.
        grant: whether it is executed without one; None: it is, and nobody wants to know.
    """

    allowed: bool
    rule: str
    reason: str = ""
    action: str = ""
    resource: str = ""
    mode: str | None = None
    policy: str | None = None
    on_deny: OnDeny = OnDeny()
    approval: bool = False
    shadowed: tuple[tuple[str, str], ...] = ()
    counts: tuple[Count, ...] = ()
    step: str | None = None
    grant: Grant | None = None

    @property
    def asks(self) -> bool:
        """Whether a person has to approve the call, or may."""
        return self.approval if self.allowed else self.on_deny.kind == "hold"


@dataclass(frozen=True, slots=True)
class RequestVerdict:
    """What becomes of a request before it is sent on.

    Attributes:
        denied: why it is refused, else None; `code` is the refusal's code then.
        strip: names of offered tools to take out of it.
        redact: whether known secrets in its messages have to be covered.
        execution: what its answers' calls may lead to.
    """

    denied: Verdict | None = None
    code: str = "policy_denied"
    strip: tuple[str, ...] = ()
    redact: bool = False
    execution: Execution = "execute_safe"
    shadowed: tuple[tuple[str, str], ...] = ()
