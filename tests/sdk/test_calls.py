"""What is tried again, without any I/O."""

from typing import Any

import pytest

from gateway.sdk import calls
from gateway.sdk.calls import Answer, Ask, Failure, Pause
from gateway.sdk.errors import (
    AuthenticationError,
    GatewayError,
    GatewayUnavailable,
    InvalidRequest,
    PermissionDenied,
    RateLimited,
)

LOGGED = Answer(201, b'{"entry": "c/1", "time": "2026-11-20T18:44:34.875Z"}')
PAGE = Answer(200, b'{"items": [], "next_cursor": null}')
UNSENT, LOST = Failure("refused", sent=False), Failure("no answer", sent=True)


def went(call: Any, *came: Answer | Failure) -> tuple[list[Ask], list[float], Any]:
    """(what was asked, the pauses, the result or the error), when these come back in turn."""
    asked, pauses, left = list[Ask](), list[float](), list(came)
    reply: Answer | Failure | None = None
    try:
        while True:
            step = call.send(reply)
            reply = None
            if isinstance(step, Pause):
                pauses.append(step.seconds)
            else:
                asked.append(step)
                reply = left.pop(0)
    except StopIteration as done:
        assert not left
        return asked, pauses, done.value
    except GatewayError as error:
        return asked, pauses, error


def log(retries: int = 2) -> Any:
    return calls.steps(calls.log_action("a:b", "r", True, "success", None, None), retries)


def read(retries: int = 2) -> Any:
    return calls.steps(calls.logs(None, None, None, None, None, 10), retries)


@pytest.mark.parametrize("came", [UNSENT, Answer(429, b"", "2")])
def test_what_was_not_taken_is_sent_again(came: Answer | Failure) -> None:
    asked, pauses, entry = went(log(), came, LOGGED)
    assert (len(asked), entry) == (2, "c/1")
    assert len(pauses) == 1 and 0 < pauses[0] <= 2


@pytest.mark.parametrize("came", [LOST, Answer(503, b"", "1"), Answer(502, b""), Answer(500, b"")])
def test_what_may_have_been_done_is_not_done_twice(came: Answer | Failure) -> None:
    asked, _, error = went(log(), came)
    assert len(asked) == 1
    assert isinstance(error, GatewayUnavailable)


@pytest.mark.parametrize("came", [LOST, UNSENT, Answer(503, b"", "1"), Answer(504, b"")])
def test_a_question_is_asked_again(came: Answer | Failure) -> None:
    asked, _, found = went(read(), came, came, PAGE)
    assert (len(asked), found) == (3, [])


def test_it_is_given_up_after_the_retries_and_pauses_grow() -> None:
    asked, pauses, error = went(read(retries=3), *[UNSENT] * 4)
    assert len(asked) == 4
    assert pauses[0] <= pauses[1] <= pauses[2]
    assert isinstance(error, GatewayUnavailable) and "refused" in str(error)


@pytest.mark.parametrize("told", [None, "60", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_who_is_to_wait_long_is_told_so(told: str | None) -> None:
    asked, _, error = went(log(), Answer(429, b'{"detail": "Too many."}', told))
    assert len(asked) == 1
    assert isinstance(error, RateLimited)
    assert (error.detail, error.retry_after) == ("Too many.", 60.0 if told == "60" else None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (401, AuthenticationError),
        (403, PermissionDenied),
        (404, InvalidRequest),
        (409, InvalidRequest),
        (307, GatewayUnavailable),
        (500, GatewayUnavailable),
    ],
)
@pytest.mark.parametrize("body", [b'{"detail": "Said why."}', b"", b"<html>", b"[]", b'{"detail": 7}'])
def test_an_error_has_a_type_of_its_own_whatever_its_body(status: int, kind: type, body: bytes) -> None:
    asked, _, error = went(log(), Answer(status, body))
    assert len(asked) == 1
    assert type(error) is kind and error.status == status
    assert str(error) == ("Said why." if b"why" in body else f"The gateway answered with status {status}.")


def test_an_answer_that_is_no_object_is_none() -> None:
    assert isinstance(went(log(), Answer(200, b"[]"))[2], GatewayUnavailable)


def test_the_fields_at_fault_are_said() -> None:
    body = b'{"detail": "Some fields are not valid.", "errors": [{"field": "body.action", "message": "is empty"}]}'
    _, _, error = went(log(), Answer(422, body))
    assert str(error) == "Some fields are not valid. (body.action: is empty)"


def test_pages_are_read_until_there_are_enough() -> None:
    first = Answer(200, b'{"items": [{"n": 1}], "next_cursor": "c1"}')
    second = Answer(200, b'{"items": [{"n": 2}, {"n": 3}], "next_cursor": "c2"}')
    asked, _, found = went(calls.steps(calls.logs(None, None, False, None, None, 3), 0), first, second)
    assert [entry["n"] for entry in found] == [1, 2, 3]
    assert [(ask.params or {}).get("cursor") for ask in asked] == [None, "c1"]
    assert [(ask.params or {})["limit"] for ask in asked] == ["3", "2"]
    assert (asked[0].params or {})["allowed"] == "false"


def test_an_agent_id_is_one_part_of_the_path() -> None:
    asked, _, _ = went(calls.steps(calls.set_policy("a/../b", [], []), 0), Answer(200, b"{}"))
    assert asked[0].path == "/api/gateway/agents/a%2F..%2Fb/policy"
