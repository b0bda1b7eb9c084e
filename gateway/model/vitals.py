"""What one exchange measured: numbers and names, never text."""

from gateway.model.value import value


@value
class Vitals:
    """One exchange. Times in milliseconds, `time` in seconds since the epoch, tokens as the provider counts them.

    `status` is what the caller got; `error_type` the refusal's code, `client_gone`, or None. `cost_usd` is None where
    the model has no price. `tool_errors` and `repeated_calls` are of the results and calls the request reports since
    its last turn. `prompt_hash`, which ends with a sketch of the prompt, and `tools_hash` are keyed; `conversation` is
    an id, `turn` counts from 1.

    Stored by place: new members go to the end.
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
    tool_errors: int = 0
    repeated_calls: int = 0
    denied_calls: int = 0
    retries: int = 0
    finish_reason: str | None = None
    cost_usd: float | None = None
    prompt_hash: str | None = None
    tools_hash: str | None = None
    conversation: str | None = None
    turn: int | None = None
