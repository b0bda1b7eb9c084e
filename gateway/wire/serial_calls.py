"""Asks a model for one tool call at a time.

https://platform.openai.com/docs/guides/function-calling#parallel-function-calling,
https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use#parallel-tool-use
"""

import re
from typing import Any

from gateway.wire.edit import set_member

_SERIAL = re.compile(r"(?:^|[/:])o\d")
"""OpenAI's older reasoning models make one call at a time, and refuse to be told so."""


def serial_calls(body: bytes, document: dict[str, Any], dialect: str) -> bytes:
    """The request that asks for no calls at once; the same object where it offers no tools, or says so already.

    `document` is `body` as it was read.
    """
    tools, model = document.get("tools"), document.get("model")
    if not (isinstance(tools, list) and tools):
        return body
    if dialect == "messages":
        return _messages(body, document.get("tool_choice"))
    if dialect not in ("chat_completions", "responses") or document.get("parallel_tool_calls") is False:
        return body
    if isinstance(model, str) and _SERIAL.search(model.lower()):
        return body
    return set_member(body, ("parallel_tool_calls",), False)


def _messages(body: bytes, choice: Any) -> bytes:
    if not isinstance(choice, dict):
        return set_member(body, ("tool_choice",), {"type": "auto", "disable_parallel_tool_use": True})
    if choice.get("type") == "none" or choice.get("disable_parallel_tool_use") is True:
        return body
    return set_member(body, ("tool_choice", "disable_parallel_tool_use"), True)
