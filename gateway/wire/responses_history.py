"""The conversation in a request to the Responses API, as far as it is there: the provider may keep the rest."""

from typing import Any

from gateway.model.history import History
from gateway.wire.history import Telling, members


def responses_history(document: dict[str, Any]) -> History:
    """See `Dialect.history`."""
    telling = Telling()
    if document.get("instructions"):
        telling.system(document["instructions"])
    if type(document.get("input")) is str:
        telling.user(document["input"])
    for item in members(document, "input"):
        _tell(telling, item)
    history = telling.told()
    kept = document.get("conversation")
    kept = kept.get("id") if type(kept) is dict else kept
    history.name = kept if type(kept) is str else None
    thread = document.get("prompt_cache_key")  # of one thread in Codex, whose first message is the same in all threads
    if type(thread) is str:
        history.opening += thread
    return history


def _tell(telling: Telling, item: dict[str, Any]) -> None:
    role, kind = item.get("role"), item.get("type")
    if role == "user":
        telling.user(item.get("content"))
    elif role in ("developer", "system"):
        telling.system(item.get("content"))
    elif role == "assistant" or kind == "reasoning":
        telling.model()
    elif type(kind) is not str:
        return
    elif kind.endswith("_call_output"):
        telling.result(item.get("output"), item.get("status") in ("failed", "incomplete"))
    elif kind == "mcp_approval_response":
        telling.result(None, item.get("approve") is not True)
    elif kind.endswith("_call"):
        telling.model()
        arguments = next((item[name] for name in ("arguments", "input", "action") if name in item), None)
        telling.call(item.get("name") or kind, arguments)
