"""What the two kinds of tokens say, as values. Times are seconds since the epoch; tokens carry whole seconds."""

from collections.abc import Mapping
from typing import Any

from gateway.model.value import value

LONGEST_INTENT = 24 * 3600
"""Seconds that an intent may live."""
LONGEST_CALL = 60
"""Seconds that a call token may live."""
DEEPEST = 4
"""Times that an intent may be handed on."""
MOST_STEPS = 50
EXECUTIONS = ("execute_safe", "plan_only")
ANY_SERVER = "tools"
"""The audience of a call token for a tool that no server is named for."""


@value
class Step:
    """Calls to one tool that an intent covers.

    Attributes:
        id: its name within the intent; `after` of other steps and the counter of uses refer to it.
        tool, server: the tool's own name and the MCP server's; None: on any server, or none.
        arguments: exactly these arguments, and no others; None: `constraints` alone decide.
        constraints: by argument, the vocabulary of policy documents; an argument that is not named is not allowed,
            one that is named need not be there. None: no demands.
        max_uses: calls, from 1.
        after: ids of steps that must each have been used before, by whoever holds the intent or one narrowed from it.
    """

    id: str
    tool: str
    server: str | None = None
    arguments: Mapping[str, Any] | None = None
    constraints: Mapping[str, Mapping[str, Any]] | None = None
    max_uses: int = 1
    after: tuple[str, ...] = ()


@value
class IntentClaims:
    """An intent token.

    Attributes:
        jti: the intent's id.
        agent_id: who may present it.
        principal: for whom the work is done, if anybody was named.
        issued, expires, not_before: seconds since the epoch.
        parents: the intents it was narrowed from, the first one first, the direct parent last.
        execution: `execute_safe`, or `plan_only`: calls are judged and told, never executed.
        policy: hash of the policy version that judged the steps.
        act: the agents that handed it on, the latest first; empty where the agent asked for it itself.
        key_thumbprint: of the agent's key, where it is bound to one.
        mode: the operational mode in which the steps were judged.
    """

    jti: str
    agent_id: str
    principal: str | None
    steps: tuple[Step, ...]
    issued: float
    expires: float
    not_before: float
    parents: tuple[str, ...] = ()
    execution: str = "execute_safe"
    policy: str = ""
    act: tuple[str, ...] = ()
    key_thumbprint: str | None = None
    mode: str | None = None

    @property
    def root(self) -> str:
        """The intent that nobody narrowed; all that come from it share its counters."""
        return self.parents[0] if self.parents else self.jti


@value
class CallClaims:
    """A call token: one exact call, once.

    Attributes:
        audience: the MCP server, or `tools` where none is named.
        tool, call_id: the tool's own name; the provider's id of the call.
        args_hash: of the arguments, see `canonical`.
        intent: the `jti` of the intent it was made under, if any.
        tdef: hash of the tool's pinned definition, if there is one.
        decision: id of the decision that allowed it.
    """

    jti: str
    agent_id: str
    audience: str
    tool: str
    call_id: str
    args_hash: str
    intent: str | None
    tdef: str | None
    decision: str
    issued: float
    expires: float


class TokenProblem(Exception):
    """A token that proves nothing. `word` is one of WORDS; `detail` says more and holds nothing of the token."""

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(f"{word}: {detail}")
        self.word = word
        self.detail = detail


WORDS = frozenset({
    "tool_not_in_intent", "arguments_mismatch", "step_order", "uses_exhausted", "expired", "not_yet_valid",
    "wrong_agent", "revoked", "bad_signature", "malformed",
})  # fmt: skip
