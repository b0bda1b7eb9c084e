"""`grant: required`: only what a model proposed is executed, and once, for agents whose code knows nothing of it."""

import asyncio
from typing import Any

import pytest
from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, RunConfig, Runner
from agents.mcp import MCPServerStreamableHttp
from openai import AsyncOpenAI

from gateway.sdk import CreatedAgent
from tests.scenarios.loop import GRANTED, Loop
from tests.support.gateway import eventually

CACHE = {"service": "cache"}
RESTART = ("restart_service", CACHE)
TURNS: list[Any] = [
    {"calls": [{"name": "get_alerts", "arguments": {}}]},
    {"calls": [{"name": "restart_service", "arguments": CACHE}]},
    "The cache is back.",
]


@pytest.fixture
def agent(loop: Loop) -> CreatedAgent:
    return loop.agent(GRANTED)


async def run_agents_sdk(loop: Loop, agent: CreatedAgent, shape: Any, turns: list[Any], **headers: str) -> str:
    """An agent of the OpenAI Agents SDK; of the gateway it has a URL and a key."""
    url, headers = loop.gateways[0].url, {"Authorization": f"Bearer {agent.api_key}", **headers}
    model_headers = {name: value for name, value in headers.items() if name != "Authorization"}
    async with (
        AsyncOpenAI(
            base_url=f"{url}/v1", api_key=agent.api_key, max_retries=0, default_headers=model_headers
        ) as client,
        MCPServerStreamableHttp({"url": f"{url}/mcp/cloud", "headers": headers}) as cloud,
    ):
        sre = Agent(
            name="sre",
            instructions="Bring the shop back.",
            model=shape(model="stub-script", openai_client=client),
            mcp_servers=[cloud],
            model_settings=ModelSettings(extra_body={"stub": {"turns": turns}}),
        )
        done = await Runner.run(sre, "The shop is slow.", run_config=RunConfig(tracing_disabled=True), max_turns=6)
        return str(done.final_output)


@pytest.mark.parametrize("shape", [OpenAIChatCompletionsModel, OpenAIResponsesModel])
def test_an_agent_that_knows_nothing_of_it_executes_what_its_model_proposed_once(
    loop: Loop, agent: CreatedAgent, shape: Any
) -> None:
    assert asyncio.run(run_agents_sdk(loop, agent, shape, TURNS)) == "The cache is back."
    assert loop.cloud.executed() == [("get_alerts", {}), RESTART]
    again = loop.execute(agent, *RESTART)
    assert not again.allowed and "grant_required" in again.text
    assert len(loop.cloud.executed("restart_service")) == 1


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
def test_the_same_with_the_client_of_the_protocol(loop: Loop, agent: CreatedAgent, era: str) -> None:
    results, said = asyncio.run(loop.converse(agent, TURNS, era=era, at=1))
    assert [failed for failed, _ in results] == [False, False] and said == "The cache is back."
    assert len(loop.cloud.executed("restart_service")) == 1


def test_a_call_that_nobody_proposed_is_refused_and_found(loop: Loop, agent: CreatedAgent) -> None:
    refused = loop.execute(agent, *RESTART)
    assert (refused.allowed, refused.rule) == (False, "granted/tools/restart_service/grant")
    assert "grant_required" in refused.text and loop.cloud.executed() == []
    eventually(lambda: loop.findings(agent) == [("restart_service", "unsanctioned_call")])


@pytest.mark.parametrize(
    ("tool", "arguments", "server"),
    [
        ("restart_service", {"service": "database"}, "cloud"),
        ("scale_fleet", {"count": 3}, "cloud"),
        ("restart_service", CACHE, "vault"),
    ],
)
def test_another_call_than_the_proposed_one_is_not_executed(
    loop: Loop, agent: CreatedAgent, tool: str, arguments: dict[str, Any], server: str
) -> None:
    assert loop.propose(agent, ("mcp__cloud__restart_service", CACHE)).allowed
    assert not loop.execute(agent, tool, arguments, server=server).allowed
    assert loop.cloud.executed() == loop.vault.executed() == []
    assert loop.execute(agent, *RESTART).allowed, "what was proposed still is"


def test_what_one_agents_model_proposed_is_not_granted_to_another(loop: Loop, agent: CreatedAgent) -> None:
    assert loop.propose(agent, RESTART).allowed
    assert not loop.execute(loop.agent(GRANTED), *RESTART).allowed
    assert loop.cloud.executed() == []


@pytest.mark.parametrize("name", ["restart_service", "cloud__restart_service", "mcp__cloud__restart_service"])
def test_however_a_client_names_the_tool(loop: Loop, agent: CreatedAgent, name: str) -> None:
    assert loop.propose(agent, (name, CACHE)).allowed
    assert loop.execute(agent, *RESTART, at=1).allowed
    assert not loop.execute(agent, *RESTART).allowed


def test_two_equal_parallel_calls_are_two(loop: Loop, agent: CreatedAgent) -> None:
    assert len(loop.propose(agent, RESTART, RESTART).calls) == 2
    assert [loop.execute(agent, *RESTART, at=at).allowed for at in (0, 1, 0)] == [True, True, False]
    assert len(loop.cloud.executed()) == 2


def test_a_denied_call_grants_nothing(loop: Loop, agent: CreatedAgent) -> None:
    loop.admin.set_policy(agent.agent_id, deny=["scale:fleet"])
    assert not loop.propose(agent, ("scale_fleet", {"count": 3}), RESTART).allowed
    assert not loop.execute(agent, *RESTART).allowed and not loop.execute(agent, "scale_fleet", {"count": 3}).allowed
    assert loop.cloud.executed() == []


def test_an_intent_and_a_grant_are_both_needed_where_both_are_asked_for(loop: Loop, agent: CreatedAgent) -> None:
    intent = loop.plan(agent, {"tool": "restart_service", "server": "cloud", "arguments": CACHE})
    alone = loop.execute(agent, *RESTART, token=intent.token)
    assert not alone.allowed and "grant_required" in alone.text
    assert loop.propose(agent, RESTART, token=intent.token).allowed
    assert loop.execute(agent, *RESTART, token=intent.token).allowed
    assert not loop.execute(agent, *RESTART, token=intent.token).allowed
    assert len(loop.cloud.executed()) == 1


@pytest.mark.parametrize("shape", [OpenAIChatCompletionsModel, OpenAIResponsesModel])
def test_an_agent_of_that_sdk_under_an_intent(loop: Loop, shape: Any) -> None:
    bound = loop.agent("bound")
    steps = [{"tool": "get_alerts"}, {"tool": "restart_service", "arguments": CACHE}]
    intent = loop.plan(bound, *steps)
    assert asyncio.run(run_agents_sdk(loop, bound, shape, TURNS, **intent.headers)) == "The cache is back."
    injected = [TURNS[0], {"calls": [{"name": "delete_database", "arguments": {"name": "orders"}}]}, "Done."]
    other = loop.plan(bound, *steps)
    said = asyncio.run(run_agents_sdk(loop, bound, shape, injected, **other.headers))
    assert "tool_not_in_intent" in said
    assert loop.cloud.executed("delete_database") == []
