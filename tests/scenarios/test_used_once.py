"""One use stays one use, however many present it at the same time, wherever."""

import asyncio
from typing import Any

import httpx
import pytest

from gateway.sdk import CreatedAgent
from tests.scenarios.loop import BOUND, GRANTED, WEIGHED, Loop, mcp_answer, mcp_call

MANY, AT_ONCE = 1000, 24
CACHE = {"service": "cache"}
STEP = {"tool": "restart_service", "server": "cloud", "arguments": CACHE}


async def present(loop: Loop, agent: CreatedAgent, token: str, many: int, *, enforce: bool) -> list[bool | None]:
    """Whether each of so many presentations was let through, over both replicas; None for one that was not answered at
    first (503): whatever was used then is lost.
    """
    headers, body = mcp_call(agent, "restart_service", CACHE, token=token)
    asked: dict[str, Any] = {"action": "restart:service", "tool": "restart_service", "arguments": CACHE}
    asked["intent_token"] = token
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(client: httpx.AsyncClient, number: int) -> bool | None:
        path = "/api/v1/enforce" if enforce and number // 2 % 2 else "/mcp/cloud"
        document = body if path == "/mcp/cloud" else asked
        at_first = True
        while True:
            async with at_once:
                answer = await client.post(loop.gateways[number % 2].url + path, headers=headers, json=document)
            if answer.status_code != 503:
                break
            at_first = False
            await asyncio.sleep(0.1)
        assert answer.status_code == 200, answer.text
        allowed = mcp_answer(answer).allowed if path == "/mcp/cloud" else answer.json()["allowed"]
        return True if allowed else False if at_first else None

    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        return await asyncio.gather(*[one(client, number) for number in range(many)])


def once(allowed: list[bool | None]) -> bool:
    return allowed.count(True) == 1 or (None in allowed and True not in allowed)


def test_a_thousand_presentations_of_one_token_are_one_use(loop: Loop) -> None:
    agent = loop.agent(BOUND)
    intent = loop.plan(agent, STEP)
    allowed = asyncio.run(present(loop, agent, intent.token, MANY, enforce=True))
    assert len(allowed) == MANY and once(allowed)
    assert len(loop.cloud.executed()) == sum(allowed[number] is True for number in range(MANY) if not number // 2 % 2)
    with loop.client(agent) as client:
        assert [step["used"] for step in client.get_intent(intent.intent_id)["steps"]] == [1]


@pytest.mark.parametrize("team", [BOUND, GRANTED, WEIGHED])
def test_what_was_proposed_once_is_executed_once(loop: Loop, team: str) -> None:
    agent = loop.agent(team)
    token = loop.plan(agent, STEP).token if team == BOUND else ""
    if team == WEIGHED:
        loop.propose(agent, ("restart_service", CACHE))
        for approval in loop.waiting(agent):
            loop.approve(approval)
    assert loop.propose(agent, ("restart_service", CACHE), token=token).allowed
    allowed = asyncio.run(present(loop, agent, token, MANY // 5, enforce=False))
    assert once(allowed) and len(loop.cloud.executed()) == allowed.count(True)
    assert len(loop.waiting(agent)) <= 1
