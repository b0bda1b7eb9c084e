"""What a span says of an exchange, by OpenTelemetry's conventions for generative AI, those of today and older ones.

Only numbers and names are read: never a message, an argument, a result, or the text of an exception.
https://github.com/open-telemetry/semantic-conventions-genai
"""

from collections.abc import Mapping
from typing import Any, Literal

from gateway.sdk.reported import failure, name_of

Kind = Literal["exchange", "agent", "tool"]
Attributes = Mapping[str, Any]

_EXCHANGES = frozenset(
    ("chat", "text_completion", "completion", "generate_content", "embeddings", "embedding", "rerank")
)
_AGENTS = frozenset(("invoke_agent", "invoke_workflow", "agent", "workflow"))
_TOOLS = frozenset(("execute_tool", "tool"))

# Each as it is called today, then as it was called before or is called by instrumentations with their own names.
_PROVIDER = ("gen_ai.provider.name", "gen_ai.system")
_MODEL = ("gen_ai.request.model", "gen_ai.response.model")
_INPUT = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens")
_OUTPUT = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens")
_CACHED = ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens")
_REASONING = ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens")
_FINISH = ("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "llm.response.finish_reason")
_FIRST = ("gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token")
_STREAM = ("gen_ai.request.stream", "llm.is_streaming")
_CONVERSATION = ("gen_ai.conversation.id", "session.id", "traceloop.association.properties.session_id")
_OPERATION = ("gen_ai.operation.name", "llm.request.type", "traceloop.span.kind")


def kind_of(attributes: Attributes) -> Kind | None:
    """What the span is about; None: nothing that counts here."""
    operation = _first(attributes, _OPERATION)
    if operation in _EXCHANGES:
        return "exchange"
    if operation in _TOOLS or attributes.get("mcp.method.name") == "tools/call":
        return "tool"
    if operation in _AGENTS:
        return "agent"
    if operation is None and "gen_ai.request.model" in attributes:
        return "exchange"
    return None


def vitals_of(attributes: Attributes, *, seconds: float, failed: bool) -> dict[str, Any]:
    """The exchange, without whose it is. Args: seconds that it took; failed: by the span's status."""
    first, finish = _first(attributes, _FIRST), _first(attributes, _FINISH)
    vitals = {
        "provider": _first(attributes, _PROVIDER),
        "model": _first(attributes, _MODEL),
        "latency_ms": seconds * 1000.0,
        "ttft_ms": first * 1000.0 if isinstance(first, int | float) else None,
        "stream": _first(attributes, _STREAM) is True or first is not None,
        "input_tokens": _first(attributes, _INPUT),
        "output_tokens": _first(attributes, _OUTPUT),
        "cached_tokens": _first(attributes, _CACHED),
        "reasoning_tokens": _first(attributes, _REASONING),
        "finish_reason": finish[0] if isinstance(finish, tuple | list) and finish else finish or None,
    }
    vitals |= _failure(attributes, failed)
    return {name: value for name, value in vitals.items() if value is not None}


def used_tokens(attributes: Attributes) -> bool:
    """Whether the span itself says what it used."""
    return _first(attributes, _INPUT) is not None or _first(attributes, _OUTPUT) is not None


def conversation_of(attributes: Attributes) -> str | None:
    found = _first(attributes, _CONVERSATION)
    return found if isinstance(found, str) else None


def agent_of(attributes: Attributes) -> dict[str, str]:
    """As the ingest API is told: an id of the gateway as an id, anything else as a name."""
    named, known = name_of(attributes.get("gen_ai.agent.name")), name_of(attributes.get("gen_ai.agent.id"))
    if known is not None and known.startswith("agt_"):
        return {"agent_id": known}
    return {"name": named or known} if named or known else {}  # type: ignore[dict-item]


def tool_of(attributes: Attributes, span_name: str) -> str:
    """Its name; a span's own name counts only where the convention says what it is."""
    given = attributes.get("gen_ai.tool.name") or attributes.get("traceloop.entity.name")
    if given is None and span_name.startswith(("execute_tool ", "tools/call ")):
        given = span_name.partition(" ")[2]
    return name_of(given) or "tool"


def is_failed(attributes: Attributes, failed: bool) -> bool:
    return failed or bool(attributes.get("error.type"))


def _failure(attributes: Attributes, failed: bool) -> dict[str, Any]:
    if not is_failed(attributes, failed):
        return {"status": 200}
    kind = name_of(attributes.get("error.type")) or "error"
    status = attributes.get("http.response.status_code", attributes.get("http.status_code"))
    if kind.isascii() and kind.isdigit():
        status = int(kind[:4])
    return failure(kind.rpartition(".")[2] or kind, status)


def _first(attributes: Attributes, names: tuple[str, ...]) -> Any:
    return next((attributes[name] for name in names if name in attributes), None)
