"""The transcript of a request to Anthropic's Messages API; of a message thread, as far as the request tells it."""

import re
from typing import Any

import orjson

from gateway.model.transcript import Transcript
from gateway.wire.history import members
from gateway.wire.transcript import Recorder, thread

_SESSION = re.compile(r"_session_([0-9a-fA-F-]{36})\Z")
_SAID = ("text", "thinking", "redacted_thinking", "compaction")


def messages_transcript(document: dict[str, Any]) -> Transcript:
    """See `Dialect.transcript`."""
    recorder = Recorder()
    recorder.thread = _thread(document)
    recorder.user(document.get("system"))
    for message in members(document, "messages"):
        role, content = message.get("role"), message.get("content")
        if role == "assistant":
            _assistant(recorder, content)
        elif role in ("user", "system"):
            _user(recorder, content)
        else:
            recorder.result(content)
    return recorder.done()


def _assistant(recorder: Recorder, content: object) -> None:
    if type(content) is not list:
        recorder.model(content)
        return
    for block in content:
        kind = block.get("type") if type(block) is dict else None
        if type(kind) is not str or kind in _SAID:
            recorder.model([block])
        elif kind.endswith("tool_use"):
            recorder.call(block.get("name") or kind, block.get("input"), block.get("id"))
        else:
            _result(recorder, block, kind)


def _user(recorder: Recorder, content: object) -> None:
    if type(content) is not list:
        recorder.user(content)
        return
    for block in content:
        kind = block.get("type") if type(block) is dict else None
        if type(kind) is str and kind.endswith("tool_result"):
            _result(recorder, block, kind)
        else:
            recorder.user([block])


def _result(recorder: Recorder, block: dict[str, Any], kind: str) -> None:
    """Results of hosted tools stand in the model's own message, named after their tool."""
    tool = kind.removesuffix("_tool_result") if kind != "tool_result" else None
    recorder.result(block.get("content"), block.get("tool_use_id"), tool)


def _thread(document: dict[str, Any]) -> str | None:
    """Claude Code's session, which stays when it shortens the conversation; it stands in `metadata.user_id`."""
    metadata = document.get("metadata")
    user = metadata.get("user_id") if type(metadata) is dict else None
    if type(user) is not str:
        return None
    try:
        told = orjson.loads(user)
    except ValueError:
        older = _SESSION.search(user)
        return thread(older.group(1)) if older is not None else None
    return thread(told.get("session_id")) if type(told) is dict else None
