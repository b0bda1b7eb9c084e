"""What a provider's answer says, whole or streamed, whatever the dialect."""

from dataclasses import dataclass, field

from gateway.model.tool_call import ToolCall
from gateway.model.value import value


@value
class Usage:
    """Tokens as the provider counts them.

    `input_tokens` includes those read from and written to a cache, `cache_write_tokens` those written for an hour,
    `output_tokens` the reasoning ones.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_hour_tokens: int = 0


@dataclass(slots=True)
class Answer:
    """Read while the answer passes; grows frame by frame in a stream.

    `calls` holds the calls the client would execute, by turn; `hosted` those the provider has executed itself.
    `text_chars` counts characters of produced text, for an estimate where `usage` is missing. `service_tier` is what
    the provider served it at, where that has a price of its own.
    """

    id: str | None = None
    model: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    service_tier: str | None = None
    text_chars: int = 0
    calls: dict[int, list[ToolCall]] = field(default_factory=dict)
    hosted: list[ToolCall] = field(default_factory=list)
