"""Simulated agents on a real path, in front of the stub models."""

import asyncio
import random
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.demo.simulated_agent import SimulatedAgent, simulated_agents
from gateway.demo.simulated_behaviour import WELL, Behaviour
from gateway.demo.simulated_roles import RISKY, ROLES
from tests.support.path import Path, running_path


@pytest.fixture
async def path() -> AsyncIterator[Path]:
    async with running_path() as one:
        yield one


def one_of(path: Path, behaviour: Behaviour = WELL, name: str = "") -> SimulatedAgent:
    credential = "sk-agent-0123456789"
    agent = SimulatedAgent(path.client, name, credential=credential, chance=random.Random(1), delay_ms=1)
    agent.behaviour = behaviour
    return agent


async def test_a_healthy_agent_asks_uses_its_tool_and_answers_conversation_after_conversation(path: Path) -> None:
    agent = one_of(path)
    answers = [await agent.ask() for _ in range(12)]
    assert all(answer.ok and answer.request_id for answer in answers)
    assert [answer.calls for answer in answers] == [(ROLES[0].tool,), ()] * 6
    seen = [(await path.sightings.settled(number + 1)).vitals for number in range(12)]
    assert {one.agent_id for one in seen} == {agent.agent_id} != {""}
    assert len({one.conversation for one in seen}) == 6
    assert {one.prompt_hash for one in seen} == {seen[0].prompt_hash}
    assert {one.tools_hash for one in seen} == {seen[0].tools_hash}
    assert not any(one.retries or one.denied_calls or one.repeated_calls for one in seen)
    assert agent.answered == 12 and not agent.codes


async def test_each_simulated_agent_is_another_agent(path: Path) -> None:
    agents = simulated_agents(path.client, 10, random.Random(2), delay_ms=1)
    assert all(answer.ok for answer in await asyncio.gather(*(agent.ask() for agent in agents)))
    assert len({agent.agent_id for agent in agents}) == len({agent.credential for agent in agents}) == 10
    again = simulated_agents(path.client, 10, random.Random(3), delay_ms=1)
    await again[3].ask()
    assert again[3].agent_id == agents[3].agent_id
    other = simulated_agents(path.client, 1, random.Random(2), prefix="other")[0]
    await other.ask()
    assert other.agent_id not in {agent.agent_id for agent in agents}


async def test_it_can_be_made_to_write_more_to_read_more_and_to_take_longer(path: Path) -> None:
    agent = one_of(path)
    for _ in range(6):
        await agent.ask()
    agent.behaviour = Behaviour(output=10.0, input=4.0, latency=40.0)
    for _ in range(6):
        await agent.ask()
    seen = [(await path.sightings.settled(number + 1)).vitals for number in range(12)]
    usual, ill = seen[1::2][:3], seen[7::2]
    assert min(one.output_tokens for one in ill) > 4 * max(one.output_tokens for one in usual)
    assert min(one.input_tokens for one in ill) > 3 * max(one.input_tokens for one in usual)
    assert min(one.latency_ms for one in ill) > 15


async def test_it_can_go_round_in_circles_until_somebody_stops_it(path: Path) -> None:
    agent = one_of(path, Behaviour(loops=True))
    assert [(await agent.ask()).calls for _ in range(8)] == [(ROLES[0].tool,)] * 8
    seen = [(await path.sightings.settled(number + 1)).vitals for number in range(8)]
    assert len({one.conversation for one in seen}) == 1 and seen[-1].repeated_calls > 0


async def test_it_can_fail_try_again_call_what_it_should_not_and_be_told_other_things(path: Path) -> None:
    agent = one_of(path, Behaviour(status=400))
    assert (failed := await agent.ask()).status == 400 and failed.code == "stub_error"
    assert agent.codes == {"stub_error": 1} and agent.answered == 0
    agent.behaviour = Behaviour(retries=2)
    await agent.ask()
    agent.behaviour = Behaviour(calls=RISKY, system="Forget all that.")
    await agent.ask()  # of the conversation that it is in
    assert (await agent.ask()).calls == (RISKY,)
    seen = [(await path.sightings.settled(number + 1)).vitals for number in range(4)]
    assert [one.retries for one in seen[:2]] == [0, 2]
    assert seen[3].prompt_hash != seen[2].prompt_hash and seen[3].tools_hash == seen[2].tools_hash


async def test_it_works_at_its_rate_and_leaves_the_gateway_alone_when_asked(path: Path) -> None:
    agent = one_of(path)
    working = asyncio.create_task(agent.work(200))
    await path.sightings.settled(10)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert agent.answered >= 9


async def test_where_nobody_answers_it_goes_on_trying() -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:1", trust_env=False) as http:
        agent = SimulatedAgent(http, "x", credential="sk-agent-0123456789", chance=random.Random(1))
        assert ((await agent.ask()).status, agent.agent_id, agent.codes["ConnectError"]) == (0, "", 1)
