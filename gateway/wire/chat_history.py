"""The conversation in a request to chat completions."""

from typing import Any

from gateway.model.history import History
from gateway.wire.history import Telling, members


def chat_history(document: dict[str, Any]) -> History:
    """See `Dialect.history`."""
    telling = Telling()
    for message in members(document, "messages"):
        role = message.get("role")
        if role == "assistant":
            telling.model()
            _calls(telling, message)
        elif role == "user":
            telling.user(message.get("content"))
        elif role in ("tool", "function"):
            telling.result(message.get("content"))
        else:
            telling.system(message.get("content"))
    return telling.told()


def _calls(telling: Telling, message: dict[str, Any]) -> None:
    for call in members(message, "tool_calls"):
        for kind, arguments in (("function", "arguments"), ("custom", "input")):
            body = call.get(kind)
            if type(body) is dict:
                telling.call(body.get("name"), body.get(arguments))
    older = message.get("function_call")
    if type(older) is dict:
        telling.call(older.get("name"), older.get("arguments"))
