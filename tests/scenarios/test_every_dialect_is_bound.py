"""An intent holds in every dialect, streamed and whole, in every choice of an answer, and in batches."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import openai
import pytest

from gateway.sdk import CreatedAgent
from tests.scenarios.loop import BOUND, Answered, Loop, mcp_call
from tests.scenarios.tools import SRE, for_chat, for_messages, for_responses

CACHE = {"service": "cache"}
RESTART = ("restart_service", CACHE)
STEP: dict[str, Any] = {"tool": "restart_service", "server": "cloud", "arguments": CACHE}

Dialect = Callable[[Loop, CreatedAgent, str, list[Any]], Answered]


@pytest.fixture
def agent(loop: Loop) -> CreatedAgent:
    return loop.agent(BOUND)


def script(calls: list[Any]) -> dict[str, Any]:
    turn = {"calls": [{"name": name, "arguments": arguments} for name, arguments in calls]}
    return {"stub": {"turns": [turn]}}


def openai_client(loop: Loop, agent: CreatedAgent, token: str) -> openai.OpenAI:
    headers = {"X-Intent-Token": token}
    return openai.OpenAI(
        base_url=f"{loop.gateways[0].url}/v1", api_key=agent.api_key, max_retries=0, default_headers=headers
    )


def chat_stream(loop: Loop, agent: CreatedAgent, token: str, calls: list[Any]) -> Answered:
    asked: Any = {"messages": [{"role": "user", "content": "Go on."}], "tools": for_chat(SRE)}
    with (
        openai_client(loop, agent, token) as client,
        client.chat.completions.stream(model="stub-script", extra_body=script(calls), **asked) as stream,
    ):
        message = stream.get_final_completion().choices[0].message
    found = [
        (call.id, call.function.name, json.loads(call.function.arguments or "{}")) for call in message.tool_calls or ()
    ]
    return Answered(bool(found), message.content or "", tuple(found))


def responses_stream(loop: Loop, agent: CreatedAgent, token: str, calls: list[Any]) -> Answered:
    asked: Any = {"input": "Go on.", "tools": for_responses(SRE)}
    with (
        openai_client(loop, agent, token) as client,
        client.responses.stream(model="stub-script", extra_body=script(calls), **asked) as stream,
    ):
        made = stream.get_final_response()
    found = [
        (item.call_id, item.name, json.loads(item.arguments)) for item in made.output if item.type == "function_call"
    ]
    return Answered(bool(found), made.output_text, tuple(found))


def messages_stream(loop: Loop, agent: CreatedAgent, token: str, calls: list[Any]) -> Answered:
    headers = {"X-Intent-Token": token}
    asked: Any = {"messages": [{"role": "user", "content": "Go on."}], "tools": for_messages(SRE), "max_tokens": 100}
    with (
        anthropic.Anthropic(
            base_url=loop.gateways[0].url, api_key=agent.api_key, max_retries=0, default_headers=headers
        ) as client,
        client.messages.stream(model="stub-script", extra_body=script(calls), **asked) as stream,
    ):
        made = stream.get_final_message()
    found = [(block.id, block.name, block.input) for block in made.content if block.type == "tool_use"]
    text = "".join(block.text for block in made.content if block.type == "text")
    return Answered(bool(found), text, tuple(found))  # type: ignore[arg-type]


every_dialect = pytest.mark.parametrize("dialect", [chat_stream, responses_stream, messages_stream])


@every_dialect
def test_what_fits_goes_on_to_be_executed_once(loop: Loop, agent: CreatedAgent, dialect: Dialect) -> None:
    token = loop.plan(agent, STEP).token
    ((_, name, arguments),) = dialect(loop, agent, token, [RESTART]).calls
    assert (name, arguments) == RESTART
    assert loop.execute(agent, *RESTART, token=token, at=1).allowed
    assert not loop.execute(agent, *RESTART, token=token).allowed
    again = dialect(loop, agent, token, [RESTART])
    assert not again.allowed and "uses_exhausted" in again.text
    assert loop.cloud.executed() == [RESTART]


@every_dialect
def test_who_fetches_the_token_of_a_call_executes_it_in_the_gateways_place(
    loop: Loop, agent: CreatedAgent, dialect: Dialect
) -> None:
    token = loop.plan(agent, STEP).token
    ((call_id, name, _),) = dialect(loop, agent, token, [RESTART]).calls
    with loop.client(agent) as client:
        assert client.call_token(call_id).tool == name
    assert not loop.execute(agent, *RESTART, token=token).allowed
    assert loop.cloud.executed() == []


@every_dialect
@pytest.mark.parametrize(
    ("calls", "word"),
    [
        ([("restart_service", {"service": "database"})], "arguments_mismatch"),
        ([("delete_database", {"name": "orders"})], "tool_not_in_intent"),
        ([RESTART, ("delete_database", {"name": "orders"})], "tool_not_in_intent"),
        ([RESTART, RESTART], "uses_exhausted"),
    ],
)
def test_what_does_not_fit_is_withheld_with_all_of_its_turn_and_uses_nothing(
    loop: Loop, agent: CreatedAgent, dialect: Dialect, calls: list[Any], word: str
) -> None:
    intent = loop.plan(agent, STEP)
    refused = dialect(loop, agent, intent.token, calls)
    assert not refused.allowed and word in refused.text
    with loop.client(agent) as client:
        assert [step["used"] for step in client.get_intent(intent.intent_id)["steps"]] == [0]
    assert loop.execute(agent, *RESTART, token=intent.token).allowed


def test_the_choices_of_one_answer_share_the_uses(loop: Loop, agent: CreatedAgent) -> None:
    token = loop.plan(agent, STEP).token
    with openai_client(loop, agent, token) as client:
        asked: Any = {"messages": [{"role": "user", "content": "Go on."}], "tools": for_chat(SRE), "n": 3}
        made = client.chat.completions.create(model="stub-script", extra_body=script([RESTART]), **asked)
    assert [bool(choice.message.tool_calls) for choice in made.choices].count(True) == 1


def test_one_of_many_proposals_takes_the_use(loop: Loop, agent: CreatedAgent) -> None:
    intent = loop.plan(agent, STEP)

    async def propose() -> list[bool]:
        at_once = asyncio.Semaphore(12)

        async def one(number: int) -> bool:
            async with at_once:
                return (
                    await asyncio.to_thread(loop.propose, agent, RESTART, token=intent.token, at=number % 2)
                ).allowed

        return await asyncio.gather(*[one(number) for number in range(60)])

    allowed = asyncio.run(propose())
    with loop.client(agent) as client:
        assert [step["used"] for step in client.get_intent(intent.intent_id)["steps"]] == [1]
    assert allowed.count(True) <= 1
    assert loop.execute(agent, *RESTART, token=intent.token).allowed
    assert not loop.execute(agent, *RESTART, token=intent.token).allowed


def test_a_batch_holds_as_many_calls_as_there_are_uses(loop: Loop, agent: CreatedAgent) -> None:
    headers, body = mcp_call(agent, *RESTART, token=loop.plan(agent, STEP).token)
    batch = [{**body, "id": number} for number in range(5)]
    headers["mcp-protocol-version"] = "2025-03-26"
    answer = httpx.post(f"{loop.gateways[0].url}/mcp/cloud", headers=headers, json=batch, timeout=20)
    assert [one["result"]["isError"] for one in answer.json()].count(False) == 1
    assert sorted(one["id"] for one in answer.json()) == list(range(5))
    assert loop.cloud.executed() == [RESTART]


def test_who_proves_nothing_presents_nothing(loop: Loop, agent: CreatedAgent) -> None:
    token = loop.plan(agent, STEP).token
    asked = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"authorization": "Bearer sk-somebody", "x-intent-token": token}
    answer = httpx.post(f"{loop.gateways[0].url}/v1/chat/completions", headers=headers, json=asked, timeout=20)
    assert answer.status_code == 403 and "wrong_agent" in answer.text
    twice = [("authorization", f"Bearer {agent.api_key}"), ("x-intent-token", token), ("x-intent-token", token)]
    answer = httpx.post(f"{loop.gateways[0].url}/v1/chat/completions", headers=twice, json=asked, timeout=20)
    assert answer.status_code == 403 and "malformed" in answer.text
