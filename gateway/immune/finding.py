"""What a detector says of one exchange: something about an agent is not as it was."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from gateway.model.value import value

FindingType = Literal[
    "token_spike",
    "input_token_spike",
    "output_token_spike",
    "latency_spike",
    "tool_explosion",
    "high_retry_rate",
    "cost_spike",
    "prompt_change",
    "tools_change",
    "model_change",
    "error_rate_spike",
    "tool_loop",
    "unsanctioned_call",
    "denied_burst",
    "identity_evasion",
    "new_client",
    "drift",
]


@value
class Finding:
    """One detector's word on one exchange.

    `deviation` is in standard deviations of the agent's own past, positive above it; None where nothing is scored
    (counts, changes). `at` is seconds since the epoch. A `hard` finding is evidence by itself; the others are
    statistical and need confirming. `detail` is plain data for people: numbers and names, never text of a conversation.
    """

    type: FindingType
    metric: str
    deviation: float | None
    at: float
    agent_id: str
    request_id: str
    model: str | None = None
    conversation: str | None = None
    hard: bool = False
    detail: Mapping[str, Any] = field(default_factory=dict, hash=False)
