"""What a request asks a model for, whatever the dialect."""

from typing import Any

from gateway.model.value import value


@value
class OfferedTool:
    """A tool the model may call. `definition` is the member as sent; `kind` its `type`."""

    name: str
    kind: str
    definition: dict[str, Any]
    namespace: str | None = None


@value
class ToolResult:
    """The result of an earlier call that the agent reports. `content` is as sent."""

    call_id: str | None
    content: Any
    is_error: bool = False


@value
class Ask:
    """A judged request, read once.

    Attributes:
        document: the parsed body; never changed in place.
        stream: the body's own `stream`, not what `Accept` says.
        wants_usage: the client asked for the usage chunk of a stream itself.
        previous: the id of the earlier answer this one continues (Responses chain, Messages thread).
    """

    document: dict[str, Any]
    model: str | None
    stream: bool
    tools: tuple[OfferedTool, ...] = ()
    results: tuple[ToolResult, ...] = ()
    wants_usage: bool = False
    max_output_tokens: int | None = None
    previous: str | None = None
