"""The transcript of a request to chat completions."""

from typing import Any

from gateway.model.transcript import Transcript
from gateway.wire.history import members
from gateway.wire.transcript import Recorder

_PEOPLE = ("user", "system", "developer")


def chat_transcript(document: dict[str, Any]) -> Transcript:
    """See `Dialect.transcript`."""
    recorder = Recorder()
    for message in members(document, "messages"):
        role, content = message.get("role"), message.get("content")
        if role in _PEOPLE:
            recorder.user(content)
        elif role == "assistant":
            recorder.model(content)
            _calls(recorder, message)
        else:
            # A message of another role is a result, or read somewhere for all that can be known.
            recorder.result(content, message.get("tool_call_id"), message.get("name"))
    return recorder.done()


def _calls(recorder: Recorder, message: dict[str, Any]) -> None:
    for call in members(message, "tool_calls"):
        function, custom = call.get("function"), call.get("custom")
        if type(function) is dict:
            recorder.call(function.get("name"), function.get("arguments"), call.get("id"))
        if type(custom) is dict:
            recorder.call(custom.get("name"), custom.get("input"), call.get("id"), text=True)
    older = message.get("function_call")
    if type(older) is dict:
        recorder.call(older.get("name"), older.get("arguments"))
