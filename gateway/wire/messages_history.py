"""The conversation in a request to Anthropic's Messages API."""

from typing import Any

from gateway.model.history import History
from gateway.wire.history import Telling, members

_BILLING = "x-anthropic-billing-header:"
"""Claude Code begins its system prompt with a line that changes with every prompt; it instructs nobody."""


def messages_history(document: dict[str, Any]) -> History:
    """See `Dialect.history`."""
    telling = Telling()
    telling.system(document.get("system"))
    for message in members(document, "messages"):
        role = message.get("role")
        if role == "assistant":
            telling.model()
            for block in members(message, "content"):
                if block.get("type") == "tool_use":
                    telling.call(block.get("name"), block.get("input"))
        elif role == "system":
            telling.system(message.get("content"))
        else:
            _user(telling, message)
    history = telling.told()
    history.system = [text for text in history.system if not text.startswith(_BILLING)]
    return history


def _user(telling: Telling, message: dict[str, Any]) -> None:
    blocks = members(message, "content")
    results = [block for block in blocks if block.get("type") == "tool_result"]
    for block in results:
        telling.result(block.get("content"), block.get("is_error") is True)
    if len(results) < len(blocks) or not blocks:
        telling.user(message.get("content"))


def is_billing(block: object) -> bool:
    """Whether a block of a system prompt instructs nobody."""
    return type(block) is dict and type(block.get("text")) is str and block["text"].startswith(_BILLING)
