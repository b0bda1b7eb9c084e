"""Events whose JSON says its own `type`."""

import pytest

from gateway.wire.dialect import UnreadableFrame
from gateway.wire.sse import parse
from gateway.wire.typed_events import frame, load

NAMES = (b"tool_use", b"\\u")


def test_an_event_that_is_written_is_read_as_it_was() -> None:
    event = {"type": "message_stop", "text": "a\nb\u2028"}
    name, data, _ = parse(frame(event))
    assert (name, load(data, NAMES)) == (b"message_stop", event)


@pytest.mark.parametrize("data", [b"", b"[1]", b"{", b'{"a":1,"a":2}'])
def test_data_that_is_no_object_and_names_no_call_is_nothing(data: bytes) -> None:
    assert load(data, NAMES) is None


@pytest.mark.parametrize("data", [b'["tool_use"]', b'{"type":"tool_use"', b'{"a":"tool\\u005fuse"'])
def test_data_that_is_no_object_and_could_name_a_call_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableFrame):
        load(data, NAMES)
