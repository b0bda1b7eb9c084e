"""The form of a refusal in OpenAI's APIs."""

import orjson

from gateway.model.errors import Refusal
from gateway.wire.messages_errors import error_body as anthropic_error_body
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


def test_what_a_person_is_asked_to_approve_stands_in_the_body() -> None:
    refusal = Refusal("approval_required", "wait", approval_id="apr_1")
    for body in (error_body, anthropic_error_body):
        assert orjson.loads(body(refusal))["error"]["approval_id"] == "apr_1"
        assert "approval_id" not in orjson.loads(body(Refusal("overloaded", "x")))["error"]
