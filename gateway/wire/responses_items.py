"""The items of the Responses API: which of them the client would execute, which the provider has executed.

It must never take a call for a hosted one in doubt: an unknown `*_call` is the client's.
"""

import json
from collections.abc import Iterator
from typing import Any

from gateway.model.answer import Answer, Usage
from gateway.model.ask import OfferedTool, ToolResult
from gateway.model.errors import UnreadableRequest
from gateway.model.tool_call import ToolCall
from gateway.wire import governed, tolerant
from gateway.wire.dialect import UnreadableFrame
from gateway.wire.hidden import hides_typed_calls
from gateway.wire.strict_json import read_arguments

_HOSTED = frozenset(
    {
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_call",
        "mcp_list_tools",
        "program",  # JavaScript that the provider runs; the calls it makes are items of their own
    }
)
_KNOWN = frozenset(
    {
        "function_call",
        "custom_tool_call",
        "mcp_approval_request",
        "computer_call",
        "local_shell_call",
        "shell_call",
        "apply_patch_call",
        "tool_search_call",
    }
)
_UNFINISHED = ("queued", "in_progress")
_REPEATED = frozenset({"input", "instructions", "prompt", "tools"})
"""Members in which a response repeats its request."""
_PAYLOADS = ("action", "actions", "operation", "arguments", "input")
_NAMED = {"function_call": "function", "custom_tool_call": "custom", "mcp_approval_request": "mcp_approval_request"}


def is_hosted(item: dict[str, Any]) -> bool:
    """Whether the provider executes this call itself."""
    kind = item.get("type")
    if kind == "tool_search_call":
        return item.get("execution") == "server"
    if kind == "shell_call":
        environment = item.get("environment")
        return isinstance(environment, dict) and str(environment.get("type")).startswith("container")
    return kind in _HOSTED


def is_client_call(item: dict[str, Any]) -> bool:
    """Whether the client would execute this item, or approve its execution."""
    kind = item.get("type")
    return isinstance(kind, str) and kind.endswith(("_call", "_approval_request")) and not is_hosted(item)


def check_places(document: dict[str, Any], read: list[Any]) -> None:
    """Raise UnreadableFrame if the document has calls of the client that are not among those `read`."""
    if hides_typed_calls(document, read, is_client_call, _REPEATED):
        raise UnreadableFrame("it has tool calls where no client should look")


def payload(item: dict[str, Any]) -> str:
    """What a call would do, as JSON that is equal for two copies of the item."""
    if item.get("type") in _KNOWN:
        members = {key: item[key] for key in _PAYLOADS if item.get(key) is not None}
    else:
        members = {key: value for key, value in item.items() if key not in ("id", "status")}
    return json.dumps(members, sort_keys=True)


def as_call(item: dict[str, Any], problem: str | None = None) -> ToolCall:
    """The call an item proposes; never fails, but says in `problem` why it cannot be read."""
    kind = str(item.get("type"))
    text, parsed, unread = _arguments(kind, item)
    name = item.get("name")
    if not (isinstance(name, str) and name):
        unread = "it has no name" if kind in _NAMED else unread
        name = "" if kind in _NAMED else kind
    return ToolCall(
        name=name,
        kind=_NAMED.get(kind, kind),
        arguments=text,
        parsed=parsed,
        problem=problem or unread,
        id=tolerant.text(item.get("call_id")) or tolerant.text(item.get("id")),
        namespace=tolerant.text(item.get("namespace")) or tolerant.text(item.get("server_label")),
    )


def _arguments(kind: str, item: dict[str, Any]) -> tuple[str, Any, str | None]:
    if kind == "custom_tool_call":
        text = item.get("input")
        return (text, text, None) if isinstance(text, str) else ("", None, "its input is not text")
    text = item.get("arguments")
    if kind in _NAMED:
        if not isinstance(text, str):
            return "", None, "its arguments are not text"
        return (text, *read_arguments(text))
    if isinstance(text, str):
        return text, item, None
    return payload(item), item, None


def refusal_item(item_id: str, text: str) -> dict[str, Any]:
    """An assistant message that says `text`."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "message", "id": item_id, "status": "completed", "role": "assistant", "content": [part]}


def offered(holder: dict[str, Any], path: str, namespace: str | None = None) -> Iterator[OfferedTool]:
    """The `tools` of a request, an item or a namespace, namespaces taken apart. Raises UnreadableRequest."""
    for position, tool in enumerate(governed.mappings(holder, "tools", path)):
        at = f"{path}tools[{position}]."
        kind, name = governed.required_text(tool, "type", at), governed.text(tool, "name", at)
        if kind in ("function", "custom", "namespace"):
            name = governed.required_text(tool, "name", at)
        if kind != "namespace":
            yield OfferedTool(name or kind, kind, tool, namespace or tolerant.text(tool.get("server_label")))
        elif namespace is None:
            yield from offered(tool, at, name)
        else:
            raise UnreadableRequest(f"{at}type cannot be namespace inside a namespace.", param=f"{at}type")


def result(item: dict[str, Any]) -> ToolResult | None:
    """The result of an earlier call that an input item reports, if it is one."""
    kind = item.get("type")
    if not isinstance(kind, str):
        return None
    if kind == "mcp_approval_response":
        return ToolResult(tolerant.text(item.get("approval_request_id")), item, item.get("approve") is not True)
    if kind == "tool_search_output":
        return ToolResult(tolerant.text(item.get("call_id")), item.get("tools"))
    if not kind.endswith("_call_output"):
        return None
    call_id = tolerant.text(item.get("call_id")) or tolerant.text(item.get("id"))
    return ToolResult(call_id, item.get("output"), item.get("status") in ("failed", "incomplete"))


def note_response(answer: Answer, response: dict[str, Any]) -> None:
    """Take over what a response says of itself, as far as it can be read."""
    answer.id = tolerant.text(response.get("id")) or answer.id
    answer.model = tolerant.text(response.get("model")) or answer.model
    if (status := tolerant.text(response.get("status"))) not in _UNFINISHED:
        answer.finish_reason = status or answer.finish_reason
    answer.service_tier = tolerant.text(response.get("service_tier")) or answer.service_tier
    usage = response.get("usage")
    if not isinstance(usage, dict):
        return
    counts = [tolerant.count(usage, "input_tokens"), tolerant.count(usage, "output_tokens")]
    counts.append(tolerant.count(usage.get("input_tokens_details"), "cached_tokens"))
    counts.append(tolerant.count(usage.get("output_tokens_details"), "reasoning_tokens"))
    counts.append(tolerant.count(usage.get("input_tokens_details"), "cache_write_tokens"))
    answer.usage = Usage(*counts)
