"""What a provider shows again of calls that were made before: nothing that was withheld, and nobody is asked anew."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from gateway.phases.hearing import Hearing
from gateway.store.connection import Connection
from gateway.store.given_calls import GivenCall, GivenCalls
from gateway.store.memory import ActionMemory
from tests.support.judging import World, engine, judged_path
from tests.support.upstream import ScriptedUpstream, json_answer

KEYS = {"authorization": "Bearer sk-0123456789abcdef"}
DROP = {"name": "drop_table", "arguments": '{"table": "users-7731"}'}
ITEM = {"type": "function_call", "id": "fc_1", "call_id": "c1", **DROP}
MESSAGE = {"id": "m-0", "role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": DROP}]}
ANSWER = {"id": "cc_1", "object": "chat.completion", "choices": [{"index": 0, "message": MESSAGE}]}
RESPONSE = {"id": "resp_1", "object": "response", "status": "completed", "output": [ITEM]}
LISTS = {
    "/v1/chat/completions": {"object": "list", "data": [ANSWER]},
    "/v1/chat/completions/cc_1/messages": {"object": "list", "data": [MESSAGE]},
    "/v1/responses/resp_1/input_items": {"object": "list", "data": [ITEM]},
    "/v1/conversations/conv_1/items": {"object": "list", "data": [ITEM]},
    "/v1/conversations/conv_1/items/fc_1": ITEM,
}
FETCHED = {"/v1/chat/completions/cc_1": ANSWER, "/v1/responses/resp_1": RESPONSE}
DENYING = {"deny": ["drop:*"]}
ASKING = {"default": "allow", "tools": {"drop_table": {"approval": "always"}}}
PLANNING = {"execution": "plan_only"}


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[Connection]:
    connection = Connection(redis_url, op_timeout=5)
    yield connection
    await connection.close()


@asynccontextmanager
async def _world(
    connection: Connection, shown: Mapping[str, Any], policy: Mapping[str, Any]
) -> AsyncIterator[tuple[World, GivenCalls]]:
    given = GivenCalls(connection, b"secret", clock=lambda: 1.8e9)
    memory = ActionMemory(connection, b"secret")
    async with (
        ScriptedUpstream(json_answer(shown)) as upstream,
        judged_path(
            engine(policy),
            upstream=upstream.url,
            memories=memory,
            given=given,
            hearing=lambda judging: Hearing(judging.of, given, memory, judging.decisions),
        ) as world,
    ):
        yield world, given
        await given.flush()


async def _get(world: World, path: str, **headers: str) -> httpx.Response:
    return await world.path.client.get(path, headers={**KEYS, **headers})


ALL = {**LISTS, **FETCHED}


@pytest.mark.parametrize("path", ALL)
async def test_a_denied_call_is_not_shown(connection: Connection, path: str) -> None:
    async with _world(connection, ALL[path], DENYING) as (world, _):
        said = await _get(world, path)
    assert said.status_code == 200
    assert "users-7731" not in said.text and "ops/deny/0" in said.text
    assert said.headers["x-gateway-denied"] == "1"


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_without_denied_calls_stays_byte_for_byte(connection: Connection, path: str) -> None:
    for policy in (DENYING, {}):
        shown = json.loads(json.dumps(LISTS[path]).replace("drop_table", "list_tables"))
        async with _world(connection, shown, policy) as (world, _):
            said = await _get(world, path)
        assert said.content == json.dumps(shown).encode()


@pytest.mark.parametrize("path", ALL)
async def test_a_call_that_was_withheld_stays_withheld(connection: Connection, path: str) -> None:
    async with _world(connection, ALL[path], {"deny": ["read:file"]}) as (world, given):
        agent = (await _get(world, "/v1/models")).headers["x-gateway-agent-id"]
        given.note(agent, [GivenCall("c1", "drop_table", withheld=True)])
        await given.flush()
        said = await _get(world, path)
    assert "users-7731" not in said.text and "withheld" in said.text


@pytest.mark.parametrize("path", LISTS)
async def test_a_call_that_needs_approval_is_shown_once_it_was_given_and_nobody_is_asked(
    connection: Connection, path: str
) -> None:
    async with _world(connection, LISTS[path], ASKING) as (world, given):
        before = await _get(world, path)
        given.note(before.headers["x-gateway-agent-id"], [GivenCall("c1", "drop_table")])
        await given.flush()
        after = await _get(world, path)
        assert world.entries.all == []
    assert "users-7731" not in before.text
    assert after.content == json.dumps(LISTS[path]).encode()


@pytest.mark.parametrize("path", LISTS)
async def test_what_may_only_be_planned_is_listed_as_a_plan(connection: Connection, path: str) -> None:
    async with _world(connection, LISTS[path], PLANNING) as (world, _):
        said = await _get(world, path)
    assert "Plan (not executed)" in said.text and "function_call" not in said.text and "tool_calls" not in said.text


async def test_what_is_withheld_under_any_rule_is_remembered(connection: Connection) -> None:
    async with _world(connection, ANSWER, DENYING) as (world, given):
        ask = {"model": "m", "messages": [{"role": "user", "content": "Go"}]}
        said = await world.path.client.post("/v1/chat/completions", json=ask, headers=KEYS)
        await given.flush()
        found = await given.find(said.headers["x-gateway-agent-id"], ["c1"])
    assert found.calls["c1"].withheld


async def test_a_list_that_cannot_be_read_is_not_shown(connection: Connection) -> None:
    shown = {"object": "list", "data": [], "extra": [ITEM]}
    async with _world(connection, shown, DENYING) as (world, _):
        said = await _get(world, "/v1/conversations/conv_1/items")
    assert (said.status_code, said.json()["error"]["code"]) == (502, "upstream_invalid")
