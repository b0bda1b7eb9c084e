"""The transcript of a request to the Responses API, as far as it is there: the provider may keep the rest."""

from typing import Any

from gateway.model.transcript import Transcript
from gateway.wire.history import members
from gateway.wire.transcript import Recorder, thread

_PEOPLE = ("user", "system", "developer")
_NOTHING_SAID = frozenset({"reasoning", "item_reference", "compaction", "mcp_approval_response", "additional_tools"})
_FOUND = ("output", "outputs", "results")
"""Members in which hosted calls hold what they have given."""


def responses_transcript(document: dict[str, Any]) -> Transcript:
    """See `Dialect.transcript`."""
    recorder = Recorder()
    kept = document.get("conversation")
    kept = kept.get("id") if type(kept) is dict else kept
    recorder.thread = kept if type(kept) is str else thread(document.get("prompt_cache_key"))
    recorder.user(document.get("instructions"))
    prompt = document.get("prompt")
    variables = prompt.get("variables") if type(prompt) is dict else None
    if type(variables) is dict:
        recorder.user(list(variables.values()))
    if type(document.get("input")) is str:
        recorder.user(document["input"])
    for item in members(document, "input"):
        _tell(recorder, item)
    return recorder.done()


def _tell(recorder: Recorder, item: dict[str, Any]) -> None:
    role, kind = item.get("role"), item.get("type")
    if kind in (None, "message") and role in _PEOPLE:
        recorder.user(item.get("content"))
    elif kind in (None, "message") and role == "assistant":
        recorder.model(item.get("content"))
    elif kind in _NOTHING_SAID:
        return
    elif type(kind) is not str:
        recorder.result(item)
    elif kind.endswith("_output"):
        content = item.get("output", item.get("tools"))
        recorder.result(content, item.get("call_id") or item.get("id"))
    elif kind.endswith("_call"):
        _call(recorder, item, kind)
    elif kind == "mcp_approval_request":
        recorder.call(item.get("name"), item.get("arguments"), item.get("id"))
    else:
        recorder.result(item, tool=kind)


def _call(recorder: Recorder, item: dict[str, Any], kind: str) -> None:
    name, call_id = item.get("name") or kind, item.get("call_id") or item.get("id")
    if kind == "custom_tool_call":
        recorder.call(name, item.get("input"), call_id, text=True)
        return
    arguments = next((item[member] for member in ("arguments", "input", "action", "operation") if member in item), None)
    recorder.call(name, arguments, call_id)
    if kind != "function_call" and (found := [item[member] for member in _FOUND if item.get(member)]):
        recorder.result(found, call_id)
