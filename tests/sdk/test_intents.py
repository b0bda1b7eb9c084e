"""Intents in both clients: what is asked, and what comes of every kind of answer."""

import pickle
from typing import Any

import pytest

from gateway.sdk import (
    ApprovalRequired,
    AsyncGatewayClient,
    GatewayClient,
    IntentDenied,
    IntentError,
    InvalidRequest,
    PermissionDenied,
    PolicyViolationError,
)
from gateway.sdk.errors import INTENT_WORDS
from tests.sdk.test_client import both, used
from tests.support.upstream import answer, json_answer, threaded

STEPS: Any = [{"tool": "restart_service", "arguments": {"service": "web"}}, {"tool": "get_alerts", "id": "look"}]
RULE = {"rule": "ops/allow/0", "reason": "Listed.", "decision_id": "dec_c_1"}
ALLOWED = {"step": "s1", "tool": "restart_service", "allowed": True, **RULE}
DENIED = {"step": "look", "tool": "get_alerts", "allowed": False, **RULE, "rule": "ops/deny/0", "reason": "No."}
MINTED = {"intent_id": "int_1", "token": "t.o.k", "expires_at": "2026-11-21T18:15:00Z", "decisions": [ALLOWED]}


@both
def test_a_plan_is_minted(kind: type) -> None:
    with threaded(json_answer(MINTED, 201)) as upstream:
        asked: Any = {"ttl_seconds": 60, "execution": "plan_only", "principal": "kim"}
        intent = used(kind, upstream.url, "plan_intent", "tidy up", STEPS, **asked, session="talk-7")
        request = upstream.requests[0]
        assert (request.method, request.target) == ("POST", b"/api/v1/intents")
        assert request.json() == {"goal": "tidy up", "steps": STEPS, **asked}
        assert request.header("authorization") == "Bearer agk_1" and request.header("x-agent-session") == "talk-7"
    assert (intent.intent_id, intent.expires_at) == ("int_1", "2026-11-21T18:15:00Z")
    assert intent.headers == {"X-Intent-Token": "t.o.k"} and intent.meta == {"io.leuko/intent": "t.o.k"}
    assert intent.decisions["s1"] and intent.decisions["s1"].decision_id == "dec_c_1"
    assert "t.o.k" not in repr(intent)


@both
def test_what_was_not_said_is_not_sent(kind: type) -> None:
    with threaded([json_answer(MINTED, 201), json_answer(MINTED, 201)]) as upstream:
        used(kind, upstream.url, "plan_intent", "tidy up", STEPS)
        used(kind, upstream.url, "delegate_intent", "int_1")
        assert [request.json() for request in upstream.requests] == [{"goal": "tidy up", "steps": STEPS}, {}]


@both
def test_a_plan_with_a_denied_step_raises_what_names_the_step(kind: type) -> None:
    problem = {"status": 403, "detail": "Step look was refused.", "decisions": [ALLOWED, DENIED]}
    with threaded(json_answer(problem, 403)) as upstream, pytest.raises(IntentDenied) as caught:
        used(kind, upstream.url, "plan_intent", "tidy up", STEPS)
    error = caught.value
    assert (error.step, error.tool_name, error.reason, error.rule) == ("look", "get_alerts", "No.", "ops/deny/0")
    assert isinstance(error, PolicyViolationError) and error.decision_id == "dec_c_1"
    again = pickle.loads(pickle.dumps(error))
    assert vars(again) == vars(error)


@both
@pytest.mark.parametrize("decisions", [[ALLOWED, DENIED], [ALLOWED], []])
def test_a_plan_that_waits_for_a_person_raises_what_they_decide_about(kind: type, decisions: list[Any]) -> None:
    waiting = {"approval_id": "apr_1", "decisions": decisions}
    with threaded(json_answer(waiting, 202)) as upstream, pytest.raises(ApprovalRequired) as caught:
        used(kind, upstream.url, "plan_intent", "tidy up", STEPS)
    assert caught.value.approval_id == "apr_1"
    assert caught.value.tool_name == ("get_alerts" if DENIED in decisions else "intent")


@both
def test_an_intent_is_narrowed_for_another(kind: type) -> None:
    with threaded(json_answer(MINTED, 201)) as upstream:
        asked: Any = {"agent_id": "agt_2", "steps": [{"id": "look"}], "goal": "look", "ttl_seconds": 5}
        assert used(kind, upstream.url, "delegate_intent", "int/1", **asked).intent_id == "int_1"
        request = upstream.requests[0]
        assert (request.method, request.target) == ("POST", b"/api/v1/intents/int%2F1/delegate")
        assert request.json() == asked


@both
@pytest.mark.parametrize("word", sorted(INTENT_WORDS))
def test_an_intent_that_cannot_be_used_says_why_in_a_word(kind: type, word: str) -> None:
    problem = json_answer({"detail": f"{word}: nothing can be narrowed from it."}, 403)
    with threaded(problem) as upstream, pytest.raises(IntentError) as caught:
        used(kind, upstream.url, "delegate_intent", "int_1")
    assert caught.value.reason == word and caught.value.detail.startswith(word)
    assert pickle.loads(pickle.dumps(caught.value)).reason == word


@both
def test_another_403_is_no_word_about_an_intent(kind: type) -> None:
    problem = json_answer({"detail": "Agent agt_1 was deactivated."}, 403)
    with threaded(problem) as upstream, pytest.raises(PermissionDenied) as caught:
        used(kind, upstream.url, "plan_intent", "tidy up", STEPS)
    assert type(caught.value) is PermissionDenied


@both
def test_an_intent_is_looked_at_and_revoked(kind: type) -> None:
    shown = json_answer({"intent_id": "int_1", "status": "active"})
    waiting = json_answer({"pending": ["gw-2"]}, 202)
    with threaded([shown, answer(503, b"", [("retry-after", "0")]), answer(204, b""), waiting]) as upstream:
        assert used(kind, upstream.url, "get_intent", "int_1")["status"] == "active"
        assert used(kind, upstream.url, "revoke_intent", "int_1") == []
        assert used(kind, upstream.url, "revoke_intent", "int_1") == ["gw-2"]
        assert [request.method for request in upstream.requests] == ["GET", "DELETE", "DELETE", "DELETE"]
        assert {request.target for request in upstream.requests} == {b"/api/v1/intents/int_1"}


@both
def test_a_token_is_introspected(kind: type) -> None:
    with threaded(json_answer({"active": False})) as upstream:
        assert used(kind, upstream.url, "introspect_intent", "t.o.k") == {"active": False}
        request = upstream.requests[0]
        assert (request.target, request.json()) == (b"/api/v1/intents/introspect", {"token": "t.o.k"})


@both
def test_a_call_token_is_fetched_by_the_providers_id(kind: type) -> None:
    found = {"tool_call_id": "call/1", "token": "t.o.k", "tool": "read_file", "audience": "cloud"}
    found |= {"intent_id": None, "decision_id": "dec_c_1", "expires_at": "2026-11-21T18:15:00Z"}
    unknown = json_answer({"detail": "No call token."}, 404)
    with threaded([json_answer(found), unknown]) as upstream:
        token = used(kind, upstream.url, "call_token", "call/1")
        assert upstream.requests[0].target == b"/api/v1/calls/call%2F1"
        assert (token.token, token.tool, token.audience, token.intent_id) == ("t.o.k", "read_file", "cloud", None)
        assert "t.o.k" not in repr(token)
        with pytest.raises(InvalidRequest):
            used(kind, upstream.url, "call_token", "call_2")


def test_both_clients_have_them() -> None:
    for name in ("plan_intent", "get_intent", "delegate_intent", "revoke_intent", "introspect_intent", "call_token"):
        assert hasattr(GatewayClient, name) and hasattr(AsyncGatewayClient, name)
