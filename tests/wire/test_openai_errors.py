"""The form of a refusal in OpenAI's APIs."""

import orjson

from gateway.model.errors import Refusal
from gateway.wire.openai_errors import error_body, error_frame


def test_all_four_members_are_there() -> None:
    body = orjson.loads(error_body(Refusal("policy_denied", 'no "é"', param="tools[0]")))
    assert body == {
        "error": {"message": 'no "é"', "type": "permission_error", "param": "tools[0]", "code": "policy_denied"}
    }


def test_a_member_without_a_value_is_null() -> None:
    assert orjson.loads(error_body(Refusal("overloaded", "x")))["error"]["param"] is None


def test_in_a_stream_it_is_one_whole_event() -> None:
    refusal = Refusal("upstream_timeout", "line\nbreak")
    assert error_frame(refusal) == b"data: " + error_body(refusal) + b"\n\n"
    assert error_frame(refusal).count(b"\n") == 2
