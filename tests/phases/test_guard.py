"""The guard in the real path, with a real Redis behind what it knows."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from gateway.identity.fingerprint import Fingerprinter
from gateway.model.agent import Agent
from gateway.model.audit import AuditEntry
from gateway.model.errors import Refusal
from gateway.model.verdict import RELEASE, Ruling, Wait, allow_all
from gateway.phases.guard import OPEN_SECONDS, Guard
from gateway.phases.identify import Identify
from gateway.phases.inspect import Inspect
from gateway.phases.timeouts import Timeouts
from gateway.pipeline import Pipeline
from gateway.store.connection import Connection
from gateway.store.control import LEASE_SECONDS, Control
from gateway.store.quarantine import Quarantine
from gateway.wire.interdiction import HoldBudget
from tests.support.path import OWN_KEY, Path, running_path
from tests.support.raw_http import RawConnection
from tests.support.redis import RedisServer
from tests.support.upstream import Conversation, Request, ScriptedUpstream, event, json_answer

CHAT = "/v1/chat/completions"
ASK: dict[str, Any] = {"model": "stub-echo", "messages": [{"role": "user", "content": "Hello"}]}
TOOLS = [{"type": "function", "function": {"name": "get_status", "parameters": {"type": "object"}}}]
CALL = {**ASK, "model": "stub-tool", "tools": TOOLS}
ME = {"authorization": "Bearer sk-1", "x-agent-id": "me"}


@dataclass
class World:
    """A path with a guard; `clock` may be put forward."""

    path: Path
    control: Control
    quarantine: Quarantine
    guard: Guard
    later: list[float]
    recorded: list[AuditEntry]

    async def ask(self, ask: dict[str, Any] = ASK, **headers: str) -> httpx.Response:
        sent = {**ME, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return await self.path.client.post(CHAT, json=ask, headers=sent)

    async def block(self, answer: httpx.Response, *, drain_seconds: float = 0.0) -> None:
        """Whoever got this answer."""
        agent = Fingerprinter(b"secret").agent(b"sk-1", {b"x-agent-id": b"me"})
        assert agent.agent_id == answer.headers["x-gateway-agent-id"]
        await self.quarantine.block(
            agent.agent_id, "too eager", "root", drain_seconds=drain_seconds, credential_id=agent.credential_id
        )


class Keys:
    """Takes what begins with `agk_` for the agent of that key."""

    def takes(self, credential: bytes) -> bool:
        return credential.startswith(b"agk_")

    async def agent(self, proof: bytes) -> Agent:
        return Agent("agt_verified", verified=True, key_id=proof.decode(), credential_id="crd_key")


@asynccontextmanager
async def guarded(url: str, upstream: str = "http://127.0.0.1:1", *, strict: bool = False) -> AsyncIterator[World]:
    later = [0.0]
    connection = Connection(url, op_timeout=0.5, connect_timeout=1)
    control = Control(connection, clock=lambda: time.monotonic() + later[0])
    quarantine = Quarantine(control, connection, clock=time.time)
    made: list[Guard] = []
    recorded: list[AuditEntry] = []

    def change(pipeline: Pipeline) -> None:
        guard = Guard(control, quarantine, pipeline.active, strict=strict, audit=recorded.append, clock=lambda: 1.8e9)
        pipeline.identify = Identify(Fingerprinter(b"secret"), (OWN_KEY,), prover=Keys(), gates=(guard,))
        pipeline.inspect = Inspect(guard.judging(lambda exchange: allow_all), HoldBudget(), Timeouts(), time.monotonic)
        made.append(guard)

    await control.begin()
    try:
        async with running_path(upstream, change=change) as path:
            yield World(path, control, quarantine, made[0], later, recorded)
    finally:
        await connection.close()


def refused(answer: httpx.Response, status: int, code: str) -> str:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    return str(error["message"])


async def never_ends(request: Request, talk: Conversation) -> None:
    await talk.start()
    await talk.chunk(event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}]}))
    await talk.hang()


async def test_a_quarantined_agent_is_told_why_and_others_pass(redis_url: str) -> None:
    async with guarded(redis_url) as world:
        await world.block(await world.ask())
        answer = await world.ask()
        message = refused(answer, 403, "agent_quarantined")
        life = next(iter(world.quarantine.blocked.values()))
        assert "too eager" in message and str(life.incident_id) in message
        assert answer.headers["x-should-retry"] == "false"
        assert (await world.ask(authorization="Bearer sk-other")).status_code == 200
        await world.quarantine.release(life.agent_id, "fine", "root")
        assert (await world.ask()).status_code == 200


@pytest.mark.parametrize("change", ["quarantine", "key", "agent"])
async def test_open_streams_are_cut_with_the_reason(redis_url: str, change: str) -> None:
    async with ScriptedUpstream(never_ends) as upstream, guarded(redis_url, upstream.url) as world:
        ask = {**ASK, "model": "gpt-4o", "stream": True}
        key = {"authorization": "Bearer agk_1"} if change == "key" else ME
        async with (
            world.path.client.stream("POST", CHAT, json=ask, headers=key) as stream,
            world.path.client.stream("POST", CHAT, json=ask, headers={"authorization": "Bearer sk-other"}) as other,
        ):
            pieces = stream.aiter_text()
            assert "Hel" in await anext(pieces)
            match change:
                case "quarantine":
                    await world.block(stream)
                case "key":
                    await world.control.change("key", "agk_1", {"revoked": True})
                case "agent":
                    await world.control.change("agent", stream.headers["x-gateway-agent-id"], {"active": False})
            rest = "".join([piece async for piece in pieces])
            assert ("invalid_api_key" if change == "key" else "agent_quarantined") in rest
            assert rest.endswith("\n\n") and "[DONE]" not in rest
            assert other.status_code == 200 and not upstream.conversations[1].client_gone.is_set()
            await upstream.conversations[0].gone()


async def test_an_answer_that_is_awaited_becomes_the_refusal(redis_url: str) -> None:
    async def hangs(request: Request, talk: Conversation) -> None:
        await talk.hang()

    async with ScriptedUpstream(hangs) as upstream, guarded(redis_url, upstream.url) as world:
        me = await world.ask()
        asking = asyncio.create_task(world.ask({**ASK, "model": "gpt-4o"}))
        await upstream.arrived()
        await world.block(me)
        assert "too eager" in refused(await asking, 403, "agent_quarantined")


async def test_an_agent_that_drains_may_finish_but_begin_nothing(redis_url: str) -> None:
    async with ScriptedUpstream(never_ends) as upstream, guarded(redis_url, upstream.url) as world:
        ask = {**ASK, "model": "gpt-4o", "stream": True}
        async with world.path.client.stream("POST", CHAT, json=ask, headers=ME) as stream:
            pieces = stream.aiter_text()
            await anext(pieces)
            await world.block(stream, drain_seconds=60)
            refused(await world.ask(), 403, "agent_draining")
            assert not upstream.conversations[0].client_gone.is_set()
            world.guard.cut(next(iter(world.quarantine.blocked.values())))
            assert "agent_quarantined" in "".join([piece async for piece in pieces])


async def test_what_a_drain_finds_on_its_way_is_not_sent_any_more(redis_url: str) -> None:
    async with ScriptedUpstream(never_ends) as upstream, guarded(redis_url, upstream.url) as world:
        me = await world.ask()
        async with await RawConnection.open(world.path.address) as caller:
            head = "".join(f"{name}: {value}\r\n" for name, value in ME.items())
            await caller.send(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\n{head}content-length: 99\r\n\r\n{{".encode())
            async with asyncio.timeout(5):
                while not world.path.pipeline.active:
                    await asyncio.sleep(0)
            await world.block(me, drain_seconds=60)
            assert b"agent_draining" in await caller.reader.read(4096)
        assert not upstream.requests


async def test_another_name_does_not_help_who_is_quarantined_and_harms_no_neighbour(own_redis: RedisServer) -> None:
    async with guarded(own_redis.url) as world:
        mate = (await world.ask(x_agent_id="mate")).headers["x-gateway-agent-id"]
        connection = world.quarantine._connection
        await connection.execute("HSET", connection.keys.agent(mate), "first_seen", round(time.time() * 1000) - 5000)
        await world.block(await world.ask())
        assert (await world.ask(x_agent_id="mate")).status_code == 200
        for name in ("new", "newer"):
            assert "identity_evasion" in refused(await world.ask(x_agent_id=name), 403, "agent_quarantined")
        assert world.guard.evasions == 2
        assert (await world.ask(authorization="Bearer sk-other", x_agent_id="new")).status_code == 200
        assert (await world.ask(authorization="Bearer agk_1")).status_code == 200
        own_redis.kill()
        refused(await world.ask(x_agent_id="new"), 503, "state_unavailable")
        assert (await world.ask(x_agent_id="mate")).status_code == 200


async def test_without_a_lease_plain_answers_pass_for_a_minute_and_tool_calls_do_not(own_redis: RedisServer) -> None:
    async with guarded(own_redis.url) as world:
        await world.block(await world.ask())
        other = {"authorization": "Bearer sk-other"}
        assert (await world.ask(CALL, **other)).status_code == 200
        own_redis.kill()
        assert (await world.ask(CALL, **other)).status_code == 200  # known for sure until the lease is over
        world.later[0] = LEASE_SECONDS
        answer = await world.ask(**other)
        assert (answer.status_code, answer.headers["x-gateway-degraded"]) == (200, "redis")
        assert not world.guard.fenced and world.guard.opened == 1
        refused(await world.ask(CALL, **other), 503, "state_unavailable")
        stream = await world.ask({**CALL, "stream": True}, **other)
        assert "state_unavailable" in stream.text and "get_status" not in stream.text
        refused(await world.ask(), 403, "agent_quarantined")
        world.later[0] = LEASE_SECONDS + OPEN_SECONDS
        assert world.guard.fenced
        refused(await world.ask(**other), 503, "state_unavailable")
        assert world.guard.closed == 3
        refused(await world.ask(), 403, "agent_quarantined")


@pytest.mark.parametrize(
    ("path", "ask"),
    [
        ("/v1/responses", {"model": "m", "input": "x", "tools": [{"type": "mcp", "server_label": "s"}]}),
        ("/v1/responses", {"model": "m", "prompt": {"id": "pmpt_1"}}),
        ("/v1/messages", {"model": "m", "messages": [], "mcp_servers": [{"name": "s", "url": "https://x.test"}]}),
        (CHAT, {**ASK, "model": "m", "web_search_options": {}}),
        ("/v1/batches", {"input_file_id": "file_1"}),
    ],
)
async def test_without_a_lease_no_provider_is_let_act_by_itself(
    own_redis: RedisServer, path: str, ask: dict[str, Any]
) -> None:
    async with ScriptedUpstream(json_answer({})) as upstream, guarded(own_redis.url, upstream.url) as world:
        world.path.pipeline.admit._gates += (world.guard,)
        assert (await world.path.client.post(path, json=ask, headers=ME)).status_code == 200
        own_redis.kill()
        world.later[0] = LEASE_SECONDS
        answer = await world.path.client.post(path, json=ask, headers=ME)
        assert answer.status_code == 503 and "state" in answer.text
        before = world.guard.opened
        assert (await world.path.client.get("/v1/files", headers=ME)).status_code == 200
        assert world.guard.opened == before + 1


async def test_who_asks_what_it_may_do_is_told_by_its_state_and_not_without_a_lease(own_redis: RedisServer) -> None:
    async with guarded(own_redis.url) as world:
        one, other = Agent("agt_one", True), Agent("agt_other", True)
        await world.guard.admit(one)
        await world.quarantine.block("agt_one", "too eager", "root")
        with pytest.raises(Refusal, match="too eager"):
            await world.guard.admit(one)
        await world.guard.admit(other)
        own_redis.kill()
        world.later[0] = LEASE_SECONDS + 1
        with pytest.raises(Refusal, match="too eager"):
            await world.guard.admit(one)
        with pytest.raises(Refusal) as caught:
            await world.guard.admit(other)
        assert caught.value.code == "state_unavailable"


async def test_strict_lets_nothing_pass_without_a_lease(own_redis: RedisServer) -> None:
    async with guarded(own_redis.url, strict=True) as world:
        assert (await world.ask()).status_code == 200
        own_redis.kill()
        world.later[0] = LEASE_SECONDS
        answer = await world.ask()
        refused(answer, 503, "state_unavailable")
        assert answer.headers["retry-after"] == "1" and world.guard.fenced


async def test_a_process_that_stood_still_asks_before_it_lets_anything_through(redis_url: str) -> None:
    async with guarded(redis_url) as world, guarded(redis_url) as elsewhere:
        me = await world.ask()
        await elsewhere.block(me)
        world.later[0] = 10 * OPEN_SECONDS
        refused(await world.ask(), 403, "agent_quarantined")
        assert (await world.ask(CALL, authorization="Bearer sk-other")).status_code == 200
        assert (world.guard.opened, world.guard.closed) == (0, 0)


async def test_the_loss_of_the_lease_is_recorded_and_its_return_with_what_passed(own_redis: RedisServer) -> None:
    async with guarded(own_redis.url) as world:
        following = asyncio.create_task(world.control.run())
        watching = asyncio.create_task(world.quarantine._connection.watch())
        own_redis.freeze()
        world.later[0] = LEASE_SECONDS
        async with asyncio.timeout(10):
            while not world.recorded:
                await asyncio.sleep(0.01)
            assert (await world.ask()).status_code == 200
            own_redis.thaw()
            while len(world.recorded) < 2:
                await asyncio.sleep(0.01)
        lost, back = world.recorded
        assert (lost.kind, lost.action, back.action) == ("gateway", "lose:lease", "regain:lease")
        assert (lost.mode, back.metadata) == ("available", {"opened": 1, "closed": 0})
        for task in (following, watching):
            task.cancel()
        await asyncio.gather(following, watching, return_exceptions=True)


async def test_a_ruling_that_comes_after_the_lease_was_lost_lets_no_call_leave(own_redis: RedisServer) -> None:
    released = asyncio.Event()

    async def late() -> Ruling:
        released.set()
        own_redis.kill()
        world.later[0] += LEASE_SECONDS + OPEN_SECONDS
        return RELEASE

    async with guarded(own_redis.url) as world:
        guard = world.guard
        judge = guard.judging(lambda exchange: lambda calls: Wait(late))
        world.path.pipeline.inspect._judge_of = judge
        refused(await world.ask(CALL), 503, "state_unavailable")
        assert released.is_set()
        assert guard.closed == 1
