"""What becomes of intents when keys, agents, people and Redis change under them."""

import asyncio
from typing import Any

import httpx
import pytest

from gateway.sdk import ApprovalRequired, CreatedAgent
from tests.scenarios.loop import BOUND, EARLY, Loop, mcp_answer, mcp_call, running_loop
from tests.support.redis import RedisServer

CACHE = {"service": "cache"}
RESTART = ("restart_service", CACHE)
STEP: dict[str, Any] = {"id": "restart", "tool": "restart_service", "server": "cloud", "arguments": CACHE}


@pytest.fixture
def agent(loop: Loop) -> CreatedAgent:
    return loop.agent(BOUND)


def quarantine(loop: Loop, agent: CreatedAgent) -> None:
    answer = loop.gateways[0].ask("POST", f"/quarantine/{agent.agent_id}", json={"reason": "it went astray"})
    assert answer.status_code < 300, answer.text


@pytest.mark.parametrize("at", [0, 1])
def test_quarantine_ends_an_agents_intents_for_good(loop: Loop, agent: CreatedAgent, at: int) -> None:
    token = loop.plan(agent, STEP).token
    quarantine(loop, agent)
    assert not loop.execute(agent, *RESTART, token=token, at=at).allowed
    released = loop.gateways[0].ask("DELETE", f"/quarantine/{agent.agent_id}", json={"reason": "repaired"})
    assert released.status_code < 300, released.text
    refused = loop.execute(agent, *RESTART, token=token, at=at)
    assert (refused.status, refused.code) == (403, "revoked")
    assert loop.execute(agent, *RESTART, token=loop.plan(agent, STEP).token, at=at).allowed
    assert len(loop.cloud.executed()) == 1


@pytest.mark.parametrize("ends", ["quarantine", "revocation"])
def test_what_was_handed_on_ends_with_what_it_came_from(loop: Loop, agent: CreatedAgent, ends: str) -> None:
    helper = loop.agent(BOUND)
    intent = loop.plan(agent, STEP)
    with loop.client(agent) as client:
        part = client.delegate_intent(intent.intent_id, agent_id=helper.agent_id)
        if ends == "revocation":
            assert client.revoke_intent(intent.intent_id) == []
    if ends == "quarantine":
        quarantine(loop, agent)
    refused = loop.execute(helper, *RESTART, token=part.token, at=1)
    assert (refused.status, refused.code) == (403, "revoked")
    assert loop.cloud.executed() == []


def test_nothing_is_executed_once_a_revocation_has_returned(loop: Loop, agent: CreatedAgent) -> None:
    intent = loop.plan(agent, {**STEP, "max_uses": 1000})
    headers, body = mcp_call(agent, *RESTART, token=intent.token)
    revoked = asyncio.Event()
    late = list[bool]()

    async def go_on(client: httpx.AsyncClient, at: int) -> None:
        while True:
            was_revoked = revoked.is_set()
            answer = await client.post(f"{loop.gateways[at].url}/mcp/cloud", headers=headers, json=body)
            if was_revoked:
                late.append(answer.status_code == 200 and mcp_answer(answer).allowed)
                return

    async def race() -> None:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            running = [asyncio.create_task(go_on(client, at % 2)) for at in range(8)]
            while len(loop.cloud.executed()) < 20:
                await asyncio.sleep(0.01)
            own = {"authorization": f"Bearer {agent.api_key}"}
            gone = await client.delete(f"{loop.gateways[0].url}/api/v1/intents/{intent.intent_id}", headers=own)
            assert gone.status_code == 204, gone.text
            revoked.set()
            await asyncio.gather(*running)

    asyncio.run(race())
    assert late == [False] * 8


def test_who_has_read_a_result_needs_a_persons_word_for_what_it_declares(loop: Loop) -> None:
    reader = loop.agent(EARLY)
    assert loop.execute(reader, "read_file", {"path": "/sim/tickets/OPS-7.txt"}).allowed
    asked: Any = {"goal": "as the ticket says", "steps": [{"tool": "delete_database", "arguments": {"name": "orders"}}]}
    with loop.client(reader) as client:
        turns = [{"calls": [{"name": "read_file", "arguments": {"path": "/sim/tickets/OPS-7.txt"}}]}, "I have read it."]
        first = client.plan_intent("read", [{"tool": "read_file", "max_uses": 5}])
        results, _ = asyncio.run(loop.converse(reader, turns, token=first.token))
        assert "first call delete_database" in results[0][1]
        with pytest.raises(ApprovalRequired) as caught:
            client.plan_intent(**asked)
        assert caught.value.approval_id
        assert client.plan_intent("look", [{"tool": "get_alerts"}]).token, "looking does no harm"
        loop.approve(caught.value.approval_id)
        approved = client.plan_intent(**asked)
    assert loop.execute(reader, "delete_database", {"name": "orders"}, token=approved.token).allowed
    loop.cloud.cloud.databases["orders"] = 53310


def test_without_redis_nothing_is_executed_and_an_empty_one_gives_no_use_back(own_redis: RedisServer) -> None:
    with running_loop(own_redis) as loop:
        agent = loop.agent(BOUND)
        used, revoked, fresh = (loop.plan(agent, STEP) for _ in range(3))
        assert loop.execute(agent, *RESTART, token=used.token).allowed
        with loop.client(agent) as client:
            assert client.revoke_intent(revoked.intent_id) == []

        own_redis.freeze()
        headers, body = mcp_call(agent, *RESTART, token=fresh.token)
        for gateway in loop.gateways:
            answer = httpx.post(f"{gateway.url}/mcp/cloud", headers=headers, json=body, timeout=20)
            assert (answer.status_code, mcp_answer(answer).allowed) == (503, False)
        own_redis.thaw()

        assert b"OK" in own_redis.ask("FLUSHALL")
        for at in (0, 1):
            for intent in (used, revoked, fresh):
                assert not loop.execute(agent, *RESTART, token=intent.token, at=at).allowed
                assert not loop.propose(agent, RESTART, token=intent.token, at=at).allowed
        assert loop.cloud.executed() == [RESTART]
