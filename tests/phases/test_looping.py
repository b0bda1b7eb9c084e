"""Conversations that go round in circles: found by what requests show, and by what is remembered of kept ones."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from gateway.immune.finding import Finding
from gateway.immune.settings import Immune, LoopLimits
from gateway.phases.looping import Looping
from gateway.store.answer_notes import AnswerNotes
from gateway.store.connection import Connection
from tests.phases.test_earlier import KeptResponses, Thread
from tests.support.conversations import ChatTalk, MessagesTalk, Model, ResponsesTalk
from tests.support.path import Path, running_path
from tests.support.upstream import ScriptedUpstream

SECRET = b"a secret of the deployment"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Gateway:
    """One that looks for loops, and a model that proposes what it is told to."""

    def __init__(self, path: Path, model: Model, found: list[Finding], looping: Looping, clock: Clock) -> None:
        self.path, self.model, self.found, self.looping, self.clock = path, model, found, looping, clock

    async def turn(self, talk: Any, tool: str, arguments: dict[str, Any], result: str) -> tuple[int, Any]:
        """The model calls a tool, which gives a result; what the agent got for its request."""
        self.model.reply(talk.answer(tool, arguments, f"c_{len(self.path.sightings.all)}"))
        answer = await self.path.client.post(talk.path, json=talk.body())
        if answer.status_code == 200:
            talk.last = self.model.answer["id"]
            talk.take(self.model.answer, result)
        return answer.status_code, answer.json()


@asynccontextmanager
async def gateway(immune: Immune | None = None, kept: AnswerNotes | None = None) -> AsyncIterator[Gateway]:
    model, found, clock = Model(), list[Finding](), Clock()
    looping = Looping(
        found.append,
        lambda agent: immune or Immune(),
        secret=SECRET,
        kept=kept,
        clock=clock,
        wall_clock=lambda: 1.8e9,
    )
    async with (
        ScriptedUpstream(model) as server,
        running_path(server.url, gates=(looping.gate,), observers=(looping.observe,)) as path,
    ):
        yield Gateway(path, model, found, looping, clock)


@pytest.mark.parametrize("kind", [ChatTalk, MessagesTalk, ResponsesTalk, KeptResponses, Thread])
async def test_the_same_call_again_and_again_is_told_and_then_the_conversation_is_blocked(kind: type[Any]) -> None:
    async with gateway() as here:
        talk = kind("How late is it?")
        for number in range(6):
            assert (await here.turn(talk, "get_time", {"zone": "UTC"}, "12:00"))[0] == 200, number
        body = talk.body()
        for _ in range(2):  # it stays blocked, whoever tries again
            answer = await here.path.client.post(talk.path, json=body)
            assert answer.status_code == 403
            assert answer.headers["x-should-retry"] == "false"
            error = answer.json()["error"]
            assert "the tool get_time was made 6 times" in error["message"]
            assert error.get("code", "conversation_blocked") == "conversation_blocked"
    assert [(one.type, one.metric, one.hard) for one in here.found] == [
        ("tool_loop", "identical_calls", False),
        ("tool_loop", "identical_calls", True),
    ]
    first = here.found[0]
    assert first.detail == {"tool": "get_time", "count": 4}
    assert (
        first.model == "m"
        and first.at == 1.8e9
        and first.conversation == here.path.sightings.all[0].vitals.conversation
    )
    assert here.looping.blocked == 2


async def test_the_same_loop_of_a_conversation_is_told_once_a_minute() -> None:
    async with gateway() as here:
        talk = ChatTalk("How late is it?")
        for _ in range(6):
            await here.turn(talk, "get_time", {}, "12:00")
        for seconds in (0, 30, 29, 2, 30):
            here.clock.now += seconds
            assert (await here.turn(talk, "get_time", {}, "12:00"))[0] == 403
        assert [one.hard for one in here.found] == [False, True, True]
        other = ChatTalk("Another conversation")
        for _ in range(7):
            await here.turn(other, "get_time", {}, "12:00")
        assert len(here.found) == 5


@pytest.mark.parametrize("mode", ["warn", "shadow"])
async def test_in_other_modes_loops_are_only_told(mode: Any) -> None:
    async with gateway(Immune(mode=mode)) as here:
        talk = ChatTalk("How late is it?")
        for _ in range(9):
            assert (await here.turn(talk, "get_time", {}, "12:00"))[0] == 200
        assert [one.hard for one in here.found] == [False, True]


async def test_what_is_polled_or_gives_something_new_is_no_loop_and_limits_are_the_agents_own() -> None:
    async with gateway(Immune(loops=LoopLimits(polling=frozenset({"get_time"})))) as here:
        talk = ChatTalk("Wait until noon")
        for _ in range(9):
            assert (await here.turn(talk, "get_time", {}, "11:59"))[0] == 200
        other = ChatTalk("Look around")
        for number in range(9):
            assert (await here.turn(other, "fetch_page", {}, f"news {number}"))[0] == 200
        assert not here.found
    async with gateway(Immune(loops=LoopLimits(identical=2, block_at=3))) as here:
        talk = ChatTalk("How late is it?")
        assert [(await here.turn(talk, "get_time", {}, "12:00"))[0] for _ in range(4)] == [200, 200, 200, 403]


async def test_ids_and_times_in_arguments_make_no_other_call() -> None:
    async with gateway() as here:
        talk = ChatTalk("How late is it?")
        statuses = [(await here.turn(talk, "get_time", {"request_id": n}, "12:00"))[0] for n in range(7)]
        assert statuses == [200] * 6 + [403]


@pytest.mark.parametrize("kind", [ChatTalk, MessagesTalk, ResponsesTalk, KeptResponses])
async def test_errors_in_a_row_and_two_calls_in_turn_block_too(kind: type[Any]) -> None:
    async with gateway() as here:
        talk = kind("Pay")
        for number in range(10):
            assert (await here.turn(talk, "pay", {"amount": number}, "Error: no connection"))[0] == 200
        status, body = await here.turn(talk, "pay", {"amount": 11}, "")
        assert status == 403 and "10 tool calls in a row have failed" in body["error"]["message"]
        talk = kind("Look")
        for number in range(10):
            assert (await here.turn(talk, ("get_time", "get_contacts")[number % 2], {}, "none"))[0] == 200
        status, body = await here.turn(talk, "get_time", {}, "none")
        assert status == 403
        assert {one.metric for one in here.found} >= {"tool_errors", "alternation"}


async def test_results_that_the_dialect_marks_as_errors_are() -> None:
    async with gateway() as here:
        talk = MessagesTalk("Pay")
        for number in range(10):
            assert (await here.turn(talk, "pay", {"amount": number}, f"no {number}"))[0] == 200
            talk.turns[-1]["content"][0]["is_error"] = True
        assert (await here.turn(talk, "pay", {"amount": 11}, ""))[0] == 403


async def test_very_many_calls_are_told_each_hundred_times_and_block_nothing() -> None:
    async with gateway() as here:
        talk = ChatTalk("Go through all of them")
        for number in range(98):
            talk.take(talk.answer("fetch_page", {"page": number}, f"c{number}"), f"page {number}")
        for number in range(98, 105):
            assert (await here.turn(talk, "fetch_page", {"page": number}, f"page {number}"))[0] == 200
        assert [(one.type, one.metric, one.hard) for one in here.found] == [
            ("tool_explosion", "conversation_calls", False)
        ]


async def test_a_name_that_could_hide_something_is_not_repeated() -> None:
    async with gateway() as here:
        talk = ChatTalk("Look")
        for _ in range(6):
            await here.turn(talk, "get <b>time</b>", {}, "12:00")
        status, body = await here.turn(talk, "get <b>time</b>", {}, "12:00")
        assert status == 403 and "<b>" not in body["error"]["message"]
        assert here.found[0].detail["tool"] == "a tool"


async def test_a_kept_conversation_is_followed_at_every_replica_and_no_text_of_it_is_stored(redis_url: str) -> None:
    async with AsyncExitStack() as stack:
        replicas, notes = [], []
        for _ in range(2):
            store = Connection(redis_url, op_timeout=5)
            stack.push_async_callback(store.close)
            notes.append(AnswerNotes(store, store.keys.trail))
            replicas.append(await stack.enter_async_context(gateway(kept=notes[-1])))
        talk, statuses = KeptResponses("How late is it?"), []
        for number in range(7):
            here = replicas[number % 2]
            statuses.append((await here.turn(talk, "get_time", {"zone": "Atlantis"}, "a secret hour"))[0])
            await here.path.sightings.settled(number // 2 + 1)
            await notes[number % 2].flush()
        assert statuses == [200] * 6 + [403]
        keys = (await store.execute("SCAN", "0", "COUNT", "100", "MATCH", "*trail:*"))[1]
        assert len(keys) == 6
        for key in keys:
            stored = await store.execute("GET", key)
            assert b"get_time" in stored and b"Atlantis" not in stored and b"secret" not in stored
            assert 3500 < await store.execute("TTL", key) <= 3600


async def test_a_conversation_with_a_name_is_followed_too() -> None:
    class Named(KeptResponses):
        def goes_on(self) -> dict[str, Any]:
            return {"conversation": {"id": "conv_1"}}

    async with gateway() as here:
        talk = Named("How late is it?")
        statuses = [(await here.turn(talk, "get_time", {}, "12:00"))[0] for _ in range(7)]
        assert statuses == [200] * 6 + [403]


async def test_without_redis_and_with_notes_of_another_version_nothing_fails(redis_url: str) -> None:
    store = Connection(redis_url, op_timeout=5)
    kept = AnswerNotes(store, store.keys.trail)
    async with gateway(kept=kept) as here:
        talk = KeptResponses("How late is it?")
        talk.last = "resp_9"
        kept.remember("agt_x", "resp_9", b"[]")
        await kept.flush()
        assert (await here.turn(talk, "get_time", {}, "12:00"))[0] == 200
        base = here.path.sightings.all[0].agent.agent_id
        for note in (b"[]", json.dumps(["[9]", []]).encode(), b"null"):
            kept.remember(base, "resp_x", note)
            talk.last, talk.turns = "resp_x", [{"role": "user", "content": "x"}]
            assert (await here.turn(talk, "get_time", {}, "12:00"))[0] == 200
    await store.close()


async def test_a_client_that_always_sends_the_whole_is_looked_at_as_such_though_the_provider_keeps_it() -> None:
    class Whole(ResponsesTalk):
        def body(self) -> dict[str, Any]:
            return {**super().body(), "store": True}

    async with gateway() as here:
        talk = Whole("How late is it?")
        statuses = [(await here.turn(talk, "get_time", {}, "12:00"))[0] for _ in range(7)]
        assert statuses == [200] * 6 + [403]


async def test_long_names_hide_no_loop() -> None:
    async with gateway() as here:
        talk = KeptResponses("Look")
        statuses = [(await here.turn(talk, "x" * 20_000, {}, "12:00"))[0] for _ in range(7)]
        assert statuses == [200] * 6 + [403]
        assert all(len(call.tool) <= 100 for chain in here.looping._known.values() for call in chain.trail.calls)
