"""What becomes of a batch by the gateway's answer."""

import json
from typing import Any

import pytest

from gateway.sdk.calls import Answer, Failure
from gateway.sdk.reporter_answers import Batch, Next, after

BATCH: Batch = [{"name": "a", "turn": 1, "time": 1.0}, {"name": "b", "turn": 2, "time": 1.0}]


def problem(status: int, detail: str = "No.", fields: tuple[str, ...] = (), retry_after: str | None = None) -> Answer:
    errors = [{"field": field, "message": "is wrong"} for field in fields]
    return Answer(status, json.dumps({"detail": detail, "errors": errors}).encode(), retry_after)


def test_what_was_taken_is_done() -> None:
    assert after(BATCH, Answer(202, b"{}"), 0) == Next()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_was_not_taken_for_now_is_sent_when_the_gateway_says(status: int) -> None:
    assert after(BATCH, problem(status, retry_after="7"), 0) == Next(later=BATCH, wait=7.0)


def test_without_its_word_waits_grow_to_a_minute_and_differ() -> None:
    waits = [[after(BATCH, problem(503), failures).wait for _ in range(50)] for failures in range(20)]
    assert all(0.25 <= wait <= 0.5 for wait in waits[0])
    assert all(30.0 <= wait <= 60.0 for wait in waits[19])
    assert len(set(waits[3])) > 1
    late = after(BATCH, problem(503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), 0)
    assert late.wait <= 0.5


def test_what_was_never_sent_is_sent_again_and_what_may_have_been_taken_is_not() -> None:
    unsent = after(BATCH, Failure("refused", sent=False), 0)
    assert unsent.later == BATCH and unsent.wait
    sent = after(BATCH, Failure("no answer", sent=True), 0)
    assert (sent.later, sent.lost) == (None, 2) and sent.wait


def test_a_wrong_key_is_not_tried_for_a_while() -> None:
    found = after(BATCH, problem(401, "Send the ingest key."), 0)
    assert found == Next(wait=60.0, lost=2, why="status 401: Send the ingest key.")


@pytest.mark.parametrize("status", [403, 404, 409])
def test_what_one_agent_may_not_report_costs_others_nothing(status: int) -> None:
    found = after(BATCH, problem(status), 0)
    assert found.again == ([BATCH[0]], [BATCH[1]]) and found.lost == 0
    alone = after(BATCH[:1], problem(status), 0)
    assert (alone.again, alone.lost) == ((), 1)


def test_an_exchange_that_is_not_valid_costs_others_nothing() -> None:
    found = after(BATCH, problem(422, fields=("body.list[Reported].1.agent_id",)), 0)
    assert found == Next(again=([BATCH[0]],), lost=1, why="status 422: No.")


def test_times_of_a_clock_that_is_wrong_are_left_to_the_gateway() -> None:
    found = after(BATCH, problem(422, fields=("body.0.time",)), 0)
    assert found.again == ([{"name": "a", "turn": 1}, {"name": "b", "turn": 2}],) and found.lost == 0


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"errors": [7, {}]}', b'{"detail": 7, "errors": 7}'])
def test_an_answer_that_says_nothing_loses_the_batch(body: bytes) -> None:
    def lost(status: int) -> Any:
        return after(BATCH, Answer(status, body), 0).lost

    if b"7}" not in body or b"{}" in body:
        assert lost(422) == 2
    assert lost(400) == 2
    assert after(BATCH, Answer(400, body), 0).why == "status 400: no reason was given"


def test_a_batch_that_is_too_large_is_halved() -> None:
    assert after(BATCH, problem(413), 0).again == ([BATCH[0]], [BATCH[1]])
    assert after(BATCH[:1], problem(413), 0).lost == 1


def test_what_was_taken_apart_twice_is_not_taken_apart_again() -> None:
    for status in (403, 409, 413, 422):
        found = after(BATCH, problem(status, fields=("body.0.model",)), 0, apart=2)
        assert (found.again, found.lost) == ((), 2)
