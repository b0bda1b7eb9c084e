"""What one exchange measured: numbers and names, never text."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Vitals:
    """One exchange. Times in milliseconds, `time` in seconds since the epoch, tokens as the provider counts them.

    `status` is what the caller got; `error_type` the refusal's code, `client_gone`, or None.
    """

    agent_id: str
    request_id: str
    time: float
    dialect: str | None
    provider: str | None
    model: str | None
    stream: bool
    status: int
    latency_ms: float
    error_type: str | None = None
    ttft_ms: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    usage_estimated: bool = False
    tool_calls: int = 0
    tool_names: tuple[str, ...] = ()
    denied_calls: int = 0
    retries: int = 0
    finish_reason: str | None = None
