"""What an agent gets instead of calls in the Responses API: the same answer without them, and why.

Clients put an answer together by `output_index` and `sequence_number`, so what stays is numbered anew.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gateway.model.errors import Refusal
from gateway.model.verdict import Withhold
from gateway.wire import sse
from gateway.wire.refusal_text import denied_members
from gateway.wire.renumber import Renumber
from gateway.wire.responses_calls import Calls
from gateway.wire.responses_events import ENDS, NOWHERE, index_of, load
from gateway.wire.responses_items import is_client_call, refusal_item
from gateway.wire.typed_events import frame

_UNFINISHED = ("incomplete", "failed", "cancelled")


def without_calls(response: dict[str, Any], ruling: Withhold) -> dict[str, Any]:
    """A copy of a response whose calls are replaced by a message. One that did not end well keeps its ending."""
    copy = {**_stripped(response), "leuko": {"denied": denied_members(ruling.denied)}}
    status = response.get("status")
    if status not in _UNFINISHED:
        copy |= {"status": "completed", "incomplete_details": None}
    if isinstance(copy.get("output"), list) and status != "failed":
        copy["output"] = [*copy["output"], refusal_item(_item_id(response), ruling.text)]
    return copy


def failed_event(response: dict[str, Any], number: int, refusal: Refusal) -> bytes:
    """The event that ends a stream because of a refusal; `response` is what the stream has said of itself so far.

    The gateway's own code stands in the message. Codex repeats a request up to six times after every code but a few,
    of which only `invalid_prompt` shows the message at once: that is said where repeating is useless, and OpenAI's
    `server_error` where it may help, so that a provider's broken stream is as easily got over as without a gateway.
    """
    failed = {
        "id": "resp_leuko",
        "created_at": 0,
        "model": "",
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        **response,
        "object": "response",
        "status": "failed",
        "error": {
            "code": "server_error" if refusal.retry else "invalid_prompt",
            "message": f"{refusal.code}: {refusal.message}",
        },
        "output": [],
    }
    return frame({"type": "response.failed", "sequence_number": number, "response": failed})


def _stripped(response: dict[str, Any]) -> dict[str, Any]:
    output = response.get("output")
    if not isinstance(output, list):
        return response
    return {**response, "output": [item for item in output if not (isinstance(item, dict) and is_client_call(item))]}


def _item_id(response: dict[str, Any]) -> str:
    """An id for the message, at most 64 characters, as the provider accepts it when the message is sent back."""
    return "msg_leuko" + re.sub(r"[^0-9A-Za-z]", "", str(response.get("id", "")).removeprefix("resp_"))[:48]


class Rewriter:
    """Takes the calls of the client out of held frames.

    Args:
        calls: what the stream said of its calls.
        passed: output indexes that the client knows already; they keep their numbers.
        following: the sequence number for the first frame, if the held frames do not say.
    """

    def __init__(self, calls: Calls, passed: Iterable[int], following: int, ruling: Withhold) -> None:
        self._calls = calls
        self._places = Renumber(passed)
        self._number = following
        self._ruling = ruling

    def rewrite(self, frames: Sequence[bytes]) -> bytes:
        return b"".join(part for raw in frames for part in self._rewritten(raw))

    def _rewritten(self, raw: bytes) -> Iterator[bytes]:
        event = load(sse.parse(raw)[1])
        kind = event.get("type") if event is not None else None
        if event is None or not isinstance(kind, str):
            yield raw
        elif kind in ENDS:
            yield from self._end(event)
        elif not self._calls.belongs(event):
            yield self._numbered(self._moved(event))

    def _moved(self, event: dict[str, Any]) -> dict[str, Any]:
        """The event as it is when there are no calls in the stream."""
        if isinstance(response := event.get("response"), dict):
            event = {**event, "response": _stripped(response)}
        index = index_of(event)
        return event if index == NOWHERE else {**event, "output_index": self._places.place(index)}

    def _end(self, event: dict[str, Any]) -> Iterator[bytes]:
        response = without_calls(event["response"], self._ruling)
        if event["type"] != "response.failed":
            item = refusal_item(_item_id(event["response"]), self._ruling.text)
            yield from map(self._numbered, _message_events(item, self._places.free))
        yield self._numbered({**event, "response": response})

    def _numbered(self, event: dict[str, Any]) -> bytes:
        numbered = frame({**event, "sequence_number": self._number})
        self._number += 1
        return numbered


def _message_events(item: dict[str, Any], index: int) -> Iterator[dict[str, Any]]:
    """A whole message, as a provider streams it."""
    (part,) = item["content"]
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    empty = {**item, "status": "in_progress", "content": []}
    yield {"type": "response.output_item.added", "output_index": index, "item": empty}
    yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
    yield {"type": "response.output_text.delta", **place, "delta": part["text"], "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": part}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}
