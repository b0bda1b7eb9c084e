"""Events whose JSON says its own `type`, as streams of Responses and of Messages have them: read and written."""

from collections.abc import Iterable
from typing import Any

from gateway.model.errors import UnreadableRequest
from gateway.wire import strict_json
from gateway.wire.dialect import UnreadableFrame


def load(data: bytes, names_of_calls: Iterable[bytes]) -> dict[str, Any] | None:
    """The event, or None for data in which no client can find a call. Raises UnreadableFrame.

    Args:
        names_of_calls: what data must contain to carry a part of a call, backslashes of escaped names included.
    """
    try:
        event = strict_json.exact(data, strict_json.loads(data))
    except UnreadableRequest:
        event = None
    if isinstance(event, dict):
        return event
    if any(name in data for name in names_of_calls):
        raise UnreadableFrame("an event that may carry a call and is not one JSON object")
    return None


def frame(event: dict[str, Any]) -> bytes:
    """An event as its frame: the `event` name is its `type`."""
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), strict_json.dumps(event))
