"""The blocks of Anthropic's Messages API: which of them are calls, and what an agent gets instead of a call.

It must never take a call for a hosted one in doubt: an unknown `*_tool_use` is the client's.
"""

from typing import Any

from gateway.model.answer import Usage
from gateway.model.ask import OfferedTool
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import Withhold
from gateway.wire import governed, tolerant
from gateway.wire.refusal_text import denied_members
from gateway.wire.strict_json import dumps, read_arguments

_HOSTED = frozenset({"server_tool_use", "mcp_tool_use"})
_CALLING = frozenset({None, "tool_use", "pause_turn"})


def is_hosted(block: dict[str, Any]) -> bool:
    """Whether the provider executes this call itself."""
    return block.get("type") in _HOSTED


def is_client_call(block: dict[str, Any]) -> bool:
    """Whether the client would execute this block."""
    kind = block.get("type")
    return isinstance(kind, str) and (kind == "tool_use" or kind.endswith("_tool_use")) and kind not in _HOSTED


def as_call(block: dict[str, Any], streamed: str = "") -> ToolCall:
    """The call of a block, its input `streamed` after its start. Never fails, but says in `problem` what is wrong."""
    name, start, kind = block.get("name"), block.get("input"), str(block.get("type"))
    text, problem = streamed, None
    if streamed:
        parsed, problem = read_arguments(streamed)
        if start and start != parsed and problem is None:
            problem = "its arguments are given twice and differ"
    elif start is None or isinstance(start, dict):
        parsed = start or {}
        text = dumps(parsed).decode()
    else:
        parsed, problem = None, "its arguments are not a JSON object"
    if not (isinstance(name, str) and name):
        name, problem = "", "it has no name"
    return ToolCall(
        name=name,
        kind="function" if kind == "tool_use" else kind,
        arguments=text,
        parsed=parsed,
        problem=problem,
        id=tolerant.text(block.get("id")),
        namespace=tolerant.text(block.get("toolset_name")) or tolerant.text(block.get("server_name")),
    )


def refused(ending: dict[str, Any], ruling: Withhold) -> dict[str, Any]:
    """A message, or the delta that ends one, as it ends without its calls; other reasons to stop stay."""
    reason = "end_turn" if ending.get("stop_reason") in _CALLING else ending["stop_reason"]
    return {**ending, "stop_reason": reason, "leuko": {"denied": denied_members(ruling.denied)}}


def read_usage(usage: dict[str, Any]) -> Usage:
    """Anthropic counts input read from and written to its cache apart from the rest."""
    cached = tolerant.count(usage, "cache_read_input_tokens")
    written = tolerant.count(usage, "cache_creation_input_tokens")
    return Usage(
        input_tokens=tolerant.count(usage, "input_tokens") + written + cached,
        output_tokens=tolerant.count(usage, "output_tokens"),
        cached_tokens=cached,
        reasoning_tokens=tolerant.count(usage.get("output_tokens_details"), "thinking_tokens"),
        cache_write_tokens=written,
        cache_write_hour_tokens=tolerant.count(usage.get("cache_creation"), "ephemeral_1h_input_tokens"),
    )


def text_chars(block: dict[str, Any]) -> int:
    """Characters a block says or proposes."""
    said = sum(len(text) for key in ("text", "thinking") if isinstance(text := block.get(key), str))
    proposed = block.get("input")
    return said + (len(dumps(proposed)) if isinstance(proposed, dict) else 0)


def offered_tool(tool: dict[str, Any], path: str) -> OfferedTool:
    """One tool's definition. Raises UnreadableRequest."""
    kind = governed.text(tool, "type", path)
    if kind in (None, "custom"):
        return OfferedTool(governed.required_text(tool, "name", path), "function", tool)
    if kind == "mcp_toolset":
        server = governed.required_text(tool, "mcp_server_name", path)
        return OfferedTool(server, kind, tool, server)
    return OfferedTool(governed.text(tool, "name", path) or kind, kind, tool)
