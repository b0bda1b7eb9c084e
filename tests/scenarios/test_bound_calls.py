"""Calls bound to an intent: what was declared is executed once, everything else is refused with its word, in the
model's answer as at the MCP server.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.sdk import CreatedAgent, Intent, IntentDenied
from tests.scenarios.loop import BOUND, Answered, Loop, mcp_call
from tests.support.gateway import eventually

CACHE = {"service": "cache"}
RESTART: dict[str, Any] = {"id": "restart", "tool": "restart_service", "server": "cloud", "arguments": CACHE}
SCALE: dict[str, Any] = {
    "id": "scale",
    "tool": "scale_fleet",
    "server": "cloud",
    "constraints": {"count": {"type": "integer", "minimum": 1, "maximum": 5}},
    "after": ["restart"],
}

Ask = Callable[..., Answered]


def at_the_model(loop: Loop, agent: CreatedAgent, tool: str, arguments: dict[str, Any], **more: Any) -> Answered:
    server = more.pop("server", "cloud")
    return loop.propose(agent, (f"mcp__{server}__{tool}", arguments), **more)


def at_the_server(loop: Loop, agent: CreatedAgent, tool: str, arguments: dict[str, Any], **more: Any) -> Answered:
    return loop.execute(agent, tool, arguments, **more)


def in_the_body(loop: Loop, agent: CreatedAgent, tool: str, arguments: dict[str, Any], **more: Any) -> Answered:
    return loop.execute(agent, tool, arguments, in_body=True, **more)


def at_enforce(loop: Loop, agent: CreatedAgent, tool: str, arguments: dict[str, Any], **more: Any) -> Answered:
    server = more.pop("server", "cloud")
    return loop.enforce(agent, f"mcp__{server}__{tool}", arguments, **more)


everywhere = pytest.mark.parametrize("ask", [at_the_model, at_the_server, in_the_body, at_enforce])


@pytest.fixture
def agent(loop: Loop) -> CreatedAgent:
    return loop.agent(BOUND)


@pytest.fixture
def intent(loop: Loop, agent: CreatedAgent) -> Intent:
    return loop.plan(agent, RESTART, SCALE)


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
def test_what_was_declared_is_proposed_executed_once_and_answered(
    loop: Loop, agent: CreatedAgent, intent: Intent, era: str
) -> None:
    turns = [
        {"calls": [{"name": "restart_service", "arguments": CACHE}]},
        {"calls": [{"name": "scale_fleet", "arguments": {"count": 4}}]},
        "The shop is back.",
    ]
    results, said = asyncio.run(loop.converse(agent, turns, token=intent.token, era=era))
    assert results == [(False, "cache was restarted"), (False, "the fleet has 4 instances")]
    assert said == "The shop is back."
    assert loop.cloud.executed() == [("restart_service", CACHE), ("scale_fleet", {"count": 4})]
    with loop.client(agent) as client:
        shown = client.get_intent(intent.intent_id)
    assert shown["status"] == "exhausted" and [step["used"] for step in shown["steps"]] == [1, 1]
    assert loop.findings(agent) == []


def test_the_tool_server_is_told_what_was_decided_and_never_sees_a_credential(
    loop: Loop, agent: CreatedAgent, intent: Intent
) -> None:
    assert loop.execute(agent, "restart_service", CACHE, token=intent.token, in_body=True).allowed
    with loop.client(agent) as client:
        (token,) = [meta.pop("io.leuko/call") for meta in loop.cloud.meta]
        told = client.introspect_intent(token)
    assert loop.cloud.meta == [{}]
    assert told["active"] and told["aud"] == "cloud" and told["tool"] == "restart_service"
    assert told["intent"] == intent.intent_id
    sent = str(loop.cloud.heads)
    assert agent.api_key not in sent and intent.token not in sent and "x-intent-token" not in sent


def test_the_call_token_of_a_proposed_call_can_be_fetched(loop: Loop, agent: CreatedAgent, intent: Intent) -> None:
    ((call_id, _, _),) = loop.propose(agent, ("mcp__cloud__restart_service", CACHE), token=intent.token).calls
    with loop.client(agent, at=1) as client:
        found = client.call_token(call_id)
        told = client.introspect_intent(found.token)
    assert (found.tool, found.audience, found.intent_id) == ("restart_service", "cloud", intent.intent_id)
    assert told["active"] and told["call_id"] == call_id


@everywhere
def test_without_a_token_nothing_is_done_that_needs_one(loop: Loop, agent: CreatedAgent, ask: Ask) -> None:
    refused = ask(loop, agent, "restart_service", CACHE)
    assert not refused.allowed and "intent_required" in refused.text
    assert loop.cloud.executed() == []


@everywhere
@pytest.mark.parametrize(
    ("tool", "arguments", "server", "word"),
    [
        ("restart_service", {"service": "database"}, "cloud", "arguments_mismatch"),
        ("delete_database", {"name": "orders"}, "cloud", "tool_not_in_intent"),
        ("get_alerts", {}, "cloud", "tool_not_in_intent"),
        ("restart_service", CACHE, "vault", "tool_not_in_intent"),
        ("scale_fleet", {"count": 3}, "cloud", "step_order"),
        ("scale_fleet", {"count": 6}, "cloud", "arguments_mismatch"),
    ],
)
def test_what_was_not_declared_is_refused(
    loop: Loop,
    agent: CreatedAgent,
    intent: Intent,
    ask: Ask,
    tool: str,
    arguments: dict[str, Any],
    server: str,
    word: str,
) -> None:
    refused = ask(loop, agent, tool, arguments, token=intent.token, server=server)
    assert (refused.allowed, refused.rule) == (False, "intent")
    assert word in refused.text
    assert loop.cloud.executed() == loop.vault.executed() == []


@everywhere
@pytest.mark.parametrize("arguments", [{}, {**CACHE, "force": True}, {"service": ["cache"]}])
def test_what_is_near_to_a_step_is_refused_by_the_intent_or_the_tools_own_schema(
    loop: Loop, agent: CreatedAgent, intent: Intent, ask: Ask, arguments: dict[str, Any]
) -> None:
    refused = ask(loop, agent, "restart_service", arguments, token=intent.token)
    assert not refused.allowed and refused.rule in ("intent", "bound/schema")
    assert loop.cloud.executed() == []


@everywhere
@pytest.mark.parametrize("at", [0, 1])
def test_a_step_is_used_once(loop: Loop, agent: CreatedAgent, intent: Intent, ask: Ask, at: int) -> None:
    assert ask(loop, agent, "restart_service", CACHE, token=intent.token).allowed
    if ask is at_the_model:
        assert loop.execute(agent, "restart_service", CACHE, token=intent.token, at=at).allowed
    refused = ask(loop, agent, "restart_service", CACHE, token=intent.token, at=at)
    assert (refused.allowed, refused.rule) == (False, "intent") and "uses_exhausted" in refused.text
    assert len(loop.cloud.executed()) == (0 if ask is at_enforce else 1)


def test_a_call_that_was_proposed_is_executed_once(loop: Loop, agent: CreatedAgent, intent: Intent) -> None:
    assert loop.propose(agent, ("restart_service", CACHE), token=intent.token).allowed
    assert loop.execute(agent, "restart_service", CACHE, token=intent.token, at=1).allowed
    again = loop.execute(agent, "restart_service", CACHE, token=intent.token)
    assert not again.allowed and "uses_exhausted" in again.text
    assert loop.cloud.executed() == [("restart_service", CACHE)]


@everywhere
def test_another_agents_token_proves_nothing(loop: Loop, intent: Intent, ask: Ask) -> None:
    _refused_at_once(ask(loop, loop.agent(BOUND), "restart_service", CACHE, token=intent.token), "wrong_agent")
    assert loop.cloud.executed() == []


@everywhere
@pytest.mark.parametrize("at", [0, 1])
def test_a_revoked_token_proves_nothing_at_any_replica(
    loop: Loop, agent: CreatedAgent, intent: Intent, ask: Ask, at: int
) -> None:
    with loop.client(agent) as client:
        assert client.revoke_intent(intent.intent_id) == []
    _refused_at_once(ask(loop, agent, "restart_service", CACHE, token=intent.token, at=at), "revoked")
    assert loop.cloud.executed() == []


@everywhere
@pytest.mark.parametrize(("forge", "word"), [(lambda token: token[:-8] + "AAAAAAAA", "bad_signature"), (str.upper, "")])
def test_a_forged_token_proves_nothing(
    loop: Loop, agent: CreatedAgent, intent: Intent, ask: Ask, forge: Callable[[str], str], word: str
) -> None:
    _refused_at_once(ask(loop, agent, "restart_service", CACHE, token=forge(intent.token)), word)
    assert loop.cloud.executed() == []


def test_an_expired_token_proves_nothing_anywhere(loop: Loop, agent: CreatedAgent) -> None:
    short = loop.plan(agent, RESTART, ttl_seconds=1)
    with loop.client(agent) as client:
        eventually(lambda: client.introspect_intent(short.token)["active"] is False)
    for ask in (at_the_model, at_the_server, in_the_body, at_enforce):
        _refused_at_once(ask(loop, agent, "restart_service", CACHE, token=short.token), "expired")
    assert loop.cloud.executed() == []


def test_a_token_for_two_in_the_head_and_in_the_body_is_none(loop: Loop, agent: CreatedAgent, intent: Intent) -> None:
    other = loop.plan(agent, RESTART)
    headers, body = mcp_call(agent, "restart_service", CACHE, token=intent.token, in_body=True)
    headers["x-intent-token"] = other.token
    answer = httpx.post(f"{loop.gateways[0].url}/mcp/cloud", headers=headers, json=body, timeout=20)
    assert answer.status_code == 400 and loop.cloud.executed() == []


def test_a_narrower_intent_is_used_by_another_and_counts_for_both(
    loop: Loop, agent: CreatedAgent, intent: Intent
) -> None:
    helper = loop.agent(BOUND)
    with loop.client(agent) as client:
        part = client.delegate_intent(intent.intent_id, agent_id=helper.agent_id, steps=[{"id": "restart"}])
    assert not loop.execute(helper, "scale_fleet", {"count": 2}, token=part.token).allowed
    assert loop.execute(helper, "restart_service", CACHE, token=part.token, at=1).allowed
    used_up = loop.execute(agent, "restart_service", CACHE, token=intent.token)
    assert not used_up.allowed and "uses_exhausted" in used_up.text
    assert loop.execute(agent, "scale_fleet", {"count": 2}, token=intent.token).allowed
    assert loop.cloud.executed() == [("restart_service", CACHE), ("scale_fleet", {"count": 2})]


def test_what_is_only_planned_is_not_executed(loop: Loop, agent: CreatedAgent) -> None:
    plan = loop.plan(agent, RESTART, execution="plan_only")
    proposed = loop.propose(agent, ("restart_service", CACHE), token=plan.token)
    assert not proposed.allowed and "restart_service" in proposed.text
    loop.execute(agent, "restart_service", CACHE, token=plan.token)
    assert loop.cloud.executed() == []


def test_two_equal_calls_of_one_turn_are_two_uses(loop: Loop, agent: CreatedAgent, intent: Intent) -> None:
    call = ("restart_service", CACHE)
    refused = loop.propose(agent, call, call, token=intent.token)
    assert not refused.allowed and "uses_exhausted" in refused.text
    twice = loop.plan(agent, {**RESTART, "max_uses": 2})
    assert len(loop.propose(agent, call, call, token=twice.token).calls) == 2
    done = [loop.execute(agent, *call, token=twice.token).allowed for _ in range(3)]
    assert done == [True, True, False] and len(loop.cloud.executed()) == 2


def test_what_a_policy_denies_is_not_minted(loop: Loop) -> None:
    stranger = loop.agent(BOUND)
    loop.admin.set_policy(stranger.agent_id, deny=["delete:database"])
    with pytest.raises(IntentDenied) as caught:
        loop.plan(stranger, RESTART, {"tool": "delete_database", "arguments": {"name": "orders"}})
    assert caught.value.tool_name == "delete_database" and caught.value.step == "s2"


def _refused_at_once(refused: Answered, word: str) -> None:
    """A token that proves nothing refuses the whole request, not one call."""
    assert not refused.allowed and refused.status in (403, 200)
    if refused.status == 403:
        assert refused.code in ("intent_invalid", word) or not word
    else:
        assert refused.rule == "intent"
    assert word in refused.text
