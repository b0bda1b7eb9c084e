"""Conversations that a provider keeps go on after a withheld call."""

from collections.abc import Sequence
from typing import Any

import pytest

from gateway.model.exchange import Exchange
from gateway.model.tool_call import ToolCall
from gateway.model.verdict import RELEASE, Denial, Ruling, Withhold
from gateway.phases.owing import Owing
from gateway.store.answer_notes import AnswerNotes
from gateway.store.connection import Connection
from tests.support.path import running_path
from tests.support.upstream import ScriptedUpstream, event, json_answer, sse_answer

TOLD = "Refused by ops/deny/0."
CALL = {"type": "function_call", "id": "fc", "call_id": "call_1", "name": "drop", "arguments": "{}"}
RESPONSE = {"id": "resp_1", "object": "response", "status": "completed", "output": [CALL]}
USE = {"type": "tool_use", "id": "toolu_1", "name": "drop", "input": {}}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "content": [USE], "stop_reason": "tool_use"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": TOLD}
KEY = {"authorization": "Bearer sk-1"}


def withhold(calls: Sequence[ToolCall]) -> Ruling:
    return Withhold(TOLD, (Denial("drop", "ops/deny/0", "no"),))


def streamed(response: dict[str, Any]) -> bytes:
    kinds = [
        {"type": "response.created", "sequence_number": 0, "response": {**response, "output": []}},
        {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": CALL},
        {"type": "response.output_item.done", "sequence_number": 2, "output_index": 0, "item": CALL},
        {"type": "response.completed", "sequence_number": 3, "response": response},
    ]
    return sse_answer([event(one, str(one["type"])) for one in kinds])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_next_request_of_a_stored_response_reports_the_refusal(stream: bool) -> None:
    owing = Owing()
    first = streamed(RESPONSE) if stream else json_answer(RESPONSE)
    after = json_answer({"id": "resp_2", "object": "response", "status": "completed", "output": []})
    async with (
        ScriptedUpstream([first, after, after, after]) as upstream,
        running_path(upstream.url, judge=withhold, gates=(owing.gate,), observers=(owing.observe,)) as path,
    ):
        said = await path.client.post("/v1/responses", json={"model": "m", "input": "x", "stream": stream}, headers=KEY)
        await path.sightings.settled()
        for number, previous in enumerate(("resp_1", "resp_2", "resp_1"), 2):
            ask = {"model": "m", "input": "Go on", "previous_response_id": previous}
            await path.client.post("/v1/responses", json=ask, headers=KEY)
            await path.sightings.settled(number)
    assert TOLD in said.text
    asked = [request.json()["input"] for request in upstream.requests[1:]]
    owed = [RESULT, {"role": "user", "content": "Go on"}]
    assert asked == [owed, "Go on", owed]


async def test_the_next_request_of_a_message_thread_reports_the_refusal() -> None:
    owing = Owing()
    async with (
        ScriptedUpstream(json_answer(MESSAGE)) as upstream,
        running_path(upstream.url, judge=withhold, gates=(owing.gate,), observers=(owing.observe,)) as path,
    ):
        ask: dict[str, Any] = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
        await path.client.post("/v1/messages", json={**ask, "thread": {"type": "create"}}, headers=KEY)
        await path.sightings.settled()
        thread = {"type": "continue", "previous_message_id": "msg_1"}
        await path.client.post("/v1/messages", json={**ask, "thread": thread}, headers=KEY)
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": TOLD, "is_error": True}
    assert upstream.requests[1].json()["messages"] == [{"role": "user", "content": [result]}, *ask["messages"]]


async def test_another_worker_knows_what_was_withheld_and_another_agent_does_not(redis_url: str) -> None:
    connection = Connection(redis_url, op_timeout=5, connect_timeout=5)
    kept = AnswerNotes(connection, connection.keys.withheld)
    one, other = Owing(kept), Owing(kept)
    async with ScriptedUpstream(json_answer(RESPONSE)) as upstream:
        for owing, key in ((one, "sk-1"), (other, "sk-1"), (other, "sk-1"), (other, "sk-2")):
            async with running_path(
                upstream.url, judge=withhold, gates=(owing.gate,), observers=(owing.observe,)
            ) as path:
                ask = {"model": "m", "input": [], **({} if owing is one else {"previous_response_id": "resp_1"})}
                await path.client.post("/v1/responses", json=ask, headers={"authorization": f"Bearer {key}"})
                await path.sightings.settled()
                await kept.flush()
    await connection.close()
    assert [request.json()["input"] for request in upstream.requests] == [[], [RESULT], [RESULT], []]


async def test_nothing_is_remembered_of_answers_that_nobody_keeps() -> None:
    owing = Owing()
    async with (
        ScriptedUpstream([json_answer(RESPONSE), json_answer(MESSAGE)]) as upstream,
        running_path(upstream.url, judge=withhold, gates=(owing.gate,), observers=(owing.observe,)) as path,
    ):
        await path.client.post("/v1/responses", json={"model": "m", "input": "x", "store": False}, headers=KEY)
        ask = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
        await path.client.post("/v1/messages", json=ask, headers=KEY)
        await path.sightings.settled(2)
    assert owing._known == {}


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.phases.owing._KNOWN_LIMIT", 2)
    owing = Owing()
    answers = [json_answer({**RESPONSE, "id": f"resp_{number}"}) for number in range(4)]
    async with (
        ScriptedUpstream(answers) as upstream,
        running_path(
            upstream.url, judge=lambda calls: RELEASE, gates=(owing.gate,), observers=(owing.observe,)
        ) as path,
    ):
        for number in range(4):
            await path.client.post("/v1/responses", json={"model": "m", "input": "x"}, headers=KEY)
            await path.sightings.settled(number + 1)
    assert [answer for _, answer in owing._known] == ["resp_2", "resp_3"]


async def test_an_answer_that_was_made_in_the_background_is_remembered_when_it_is_fetched() -> None:
    owing = Owing()
    async with (
        ScriptedUpstream(json_answer(RESPONSE)) as upstream,
        running_path(upstream.url, judge=withhold, gates=(owing.gate,), observers=(owing.observe,)) as path,
    ):
        assert TOLD in (await path.client.get("/v1/responses/resp_1", headers=KEY)).text
        await path.sightings.settled()
        ask = {"model": "m", "input": [], "previous_response_id": "resp_1"}
        await path.client.post("/v1/responses", json=ask, headers=KEY)
    assert upstream.requests[1].json()["input"] == [RESULT]


NAMED = {"model": "m", "conversation": "conv_1"}
ANSWERED = {"id": "resp_2", "object": "response", "status": "completed", "output": []}


@pytest.mark.parametrize("conversation", ["conv_1", {"id": "conv_1"}], ids=["text", "object"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_next_request_of_a_named_conversation_reports_the_refusal_once(
    conversation: Any, stream: bool
) -> None:
    owing = Owing()
    first = streamed(RESPONSE) if stream else json_answer(RESPONSE)
    asks = [{**NAMED, "conversation": conversation, "input": "x", "stream": stream}]
    asks += [{**NAMED, "conversation": name, "input": "Go on"} for name in ("conv_2", conversation, conversation)]
    async with (
        ScriptedUpstream([first, json_answer(ANSWERED)]) as upstream,
        running_path(upstream.url, judge=withhold, gates=(owing.gate,), observers=(owing.observe,)) as path,
    ):
        for number, ask in enumerate(asks, 1):
            await path.client.post("/v1/responses", json=ask, headers=KEY)
            await path.sightings.settled(number)
    said = [request.json()["input"] for request in upstream.requests]
    assert said == ["x", "Go on", [RESULT, {"role": "user", "content": "Go on"}], "Go on"]


async def test_a_request_that_failed_still_owes_its_results() -> None:
    owing = Owing()
    failed = json_answer({"error": {"message": "busy"}}, 503)
    async with (
        ScriptedUpstream([json_answer(RESPONSE), failed, json_answer(ANSWERED)]) as upstream,
        running_path(upstream.url, judge=withhold, gates=(owing.gate,), observers=(owing.observe,)) as path,
    ):
        for number in (1, 2, 3):
            await path.client.post("/v1/responses", json={**NAMED, "input": []}, headers=KEY)
            await path.sightings.settled(number)
    assert [request.json()["input"] for request in upstream.requests] == [[], [RESULT], [RESULT]]


async def test_workers_that_share_a_conversation_know_what_is_owed_and_what_was_reported(redis_url: str) -> None:
    connection = Connection(redis_url, op_timeout=5, connect_timeout=5)
    kept = AnswerNotes(connection, connection.keys.withheld)
    one, other = Owing(kept), Owing(kept)

    def judged(exchange: Exchange) -> None:
        exchange.judgement = "rules are about the agent"

    async with ScriptedUpstream([json_answer(RESPONSE), json_answer(ANSWERED)]) as upstream:
        for owing in (one, other, one, other):
            gates, observers = (judged, owing.gate), (owing.observe,)
            async with running_path(upstream.url, judge=withhold, gates=gates, observers=observers) as path:
                await path.client.post("/v1/responses", json={**NAMED, "input": []}, headers=KEY)
                await path.sightings.settled()
    assert [request.json()["input"] for request in upstream.requests] == [[], [RESULT], [], []]
    await kept.flush()
    async with ScriptedUpstream(json_answer(RESPONSE)) as upstream:
        for owing in (other, one):
            gates, observers = (judged, owing.gate), (owing.observe,)
            async with running_path(upstream.url, judge=withhold, gates=gates, observers=observers) as path:
                await path.client.post("/v1/responses", json={**NAMED, "input": []}, headers=KEY)
                await path.sightings.settled()
                await kept.flush()
    await connection.close()
    assert [request.json()["input"] for request in upstream.requests] == [[], [RESULT]]


async def test_without_rules_a_named_conversation_costs_no_look_at_redis() -> None:
    looked: list[str] = []

    class Kept:
        def remember(self, agent_id: str, answer_id: str, told: bytes) -> None:
            looked.append(answer_id)

        async def find(self, agent_id: str, answer_id: str) -> bytes | None:
            looked.append(answer_id)
            return None

    owing = Owing(Kept())
    async with (
        ScriptedUpstream(json_answer(ANSWERED)) as upstream,
        running_path(upstream.url, gates=(owing.gate,), observers=(owing.observe,)) as path,
    ):
        for number in (1, 2):
            await path.client.post("/v1/responses", json={**NAMED, "input": []}, headers=KEY)
            await path.sightings.settled(number)
    assert looked == []
