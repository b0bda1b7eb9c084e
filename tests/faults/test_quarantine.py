"""An operator stops an agent under load, over several gateways, while processes freeze and Redis forgets."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.figures import Figures, Stopwatch, milliseconds
from tests.faults.world import Load, Pool, address, ask, chat, gateway_process, paced, request, until
from tests.store.faults import FaultProxy
from tests.support.gateway import ADMIN_KEY, GatewayProcess
from tests.support.raw_http import RawConnection, Response
from tests.support.redis import RedisServer
from tests.support.upstream import Conversation, Request, ScriptedUpstream, event, json_answer

BAD, GOOD = "Bearer sk-bad-0123456789", "Bearer sk-good-0123456789"
WHOLE = json_answer({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]})


async def provider(asked: Request, talk: Conversation) -> None:
    """Streams begin and never end."""
    if not asked.json().get("stream"):
        await talk.send(WHOLE)
        return
    await talk.start()
    await talk.chunk(event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}]}))
    await talk.hang()


def asking(who: str, **members: object) -> bytes:
    return request(document=chat("gpt-4o", **members), authorization=who)


@dataclass
class World:
    upstream: ScriptedUpstream
    gateways: list[GatewayProcess]

    @property
    def reached(self) -> int:
        """Requests of the bad agent that the provider has seen."""
        return sum(asked.header("authorization") == BAD for asked in self.upstream.requests)

    async def known(self) -> str:
        """The bad agent's id, once it is stored."""
        answer = await ask(self.gateways[0], asking(BAD))
        agent_id = answer.header("x-gateway-agent-id")
        assert answer.status == 200 and agent_id is not None
        await until(lambda: self._stored(agent_id))
        return agent_id

    async def _stored(self, agent_id: str) -> bool:
        return (await self.admin("GET", f"/agents/{agent_id}")).status == 200

    async def admin(self, method: str, path: str, at: int = 0, **body: object) -> Response:
        data = json.dumps(body).encode() if body else b""
        headers = {"x_admin_key": ADMIN_KEY, "content_type": "application/json"}
        return await ask(self.gateways[at], request(f"/api/gateway{path}", method=method, body=data, **headers))

    async def quarantine(self, agent_id: str, at: int = 0) -> Response:
        """Asks again while Redis seems late, as an operator would: on a busy machine it does."""
        for _ in range(20):
            answer = await self.admin("POST", f"/quarantine/{agent_id}", at, reason="too eager")
            if answer.status != 503:
                break
        return answer

    async def is_blocked(self, gateway: GatewayProcess) -> bool:
        """Must never be let through."""
        answer = await ask(gateway, asking(BAD))
        assert answer.status in (403, 503), answer
        return answer.status == 403 and answer.json()["error"]["code"] == "agent_quarantined"


@asynccontextmanager
async def world(tmp_path: Path, *urls: str, **env: str) -> AsyncIterator[World]:
    """A gateway for each URL of Redis, each with a directory of its own."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(ScriptedUpstream(provider))
        gateways = [
            await stack.enter_async_context(
                gateway_process(url, upstream=upstream.url, GATEWAY_DATA_DIR=str(tmp_path / f"gateway{n}"), **env)
            )
            for n, url in enumerate(urls)
        ]
        yield World(upstream, gateways)


async def streams(world: World, stack: AsyncExitStack, number: int) -> list[RawConnection]:
    """Open streams of the bad agent, shared among the gateways; the first piece of each has come."""
    opened = []
    for n in range(number):
        connection = await RawConnection.open(address(world.gateways[n % len(world.gateways)]))
        await stack.enter_async_context(connection)
        await connection.send(asking(BAD, stream=True))
        opened.append(connection)
    for connection in opened:
        assert (await connection.response_head())[0] == 200
        await connection.reader.readuntil(b"Hel")
    return opened


async def cut(connection: RawConnection, since: Stopwatch) -> float:
    """The seconds until a stream's end, which says why."""
    rest = await connection.reader.readuntil(b"0\r\n\r\n")
    assert b"agent_quarantined" in rest and b"too eager" in rest and b"[DONE]" not in rest
    return since.seconds


async def run_under_load(world: World, *, seconds: float, number: int, rate: float) -> tuple[float, list[float], Load]:
    """Quarantine with streams open and requests under way; the seconds of the call, of each cut, and the load."""
    agent_id = await world.known()
    over = asyncio.Event()
    async with AsyncExitStack() as stack:
        pools = [await stack.enter_async_context(Pool(address(gateway))) for gateway in world.gateways]
        opened = await streams(world, stack, number)
        loads = [
            asyncio.create_task(paced(pool, lambda n: asking(BAD), rate=rate / len(pools), over=over)) for pool in pools
        ]
        await asyncio.sleep(seconds)
        watch = Stopwatch()
        cutting = [asyncio.create_task(cut(connection, watch)) for connection in opened]
        answer = await world.quarantine(agent_id)
        took = watch.seconds
        assert (answer.status, answer.json()["pending"]) == (200, [])
        cuts = await asyncio.gather(*cutting)
        for gateway in world.gateways:  # behind what was on its way to the provider before
            assert (await ask(gateway, asking(GOOD))).status == 200
        before = world.reached
        later = [await pool.ask(asking(BAD)) for pool in pools]
        assert {one.status for one in later} == {403}
        await asyncio.sleep(seconds)
        over.set()
        done = await asyncio.gather(*loads)
        assert world.reached == before  # not one since the answer was there
    total = Load({}, [second for load in done for second in load.seconds], broken=sum(load.broken for load in done))
    for load in done:
        for status, count in load.statuses.items():
            total.statuses[status] = total.statuses.get(status, 0) + count
    assert total.statuses.keys() == {200, 403} and not total.broken
    return took, list(cuts), total


async def test_nothing_of_a_quarantined_agent_is_forwarded_and_its_streams_are_cut(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    async with world(tmp_path, own_redis.url, own_redis.url) as both:
        await run_under_load(both, seconds=0.7, number=50, rate=200)
        agent_id = json.loads((await both.admin("GET", "/quarantine", 1)).body)["items"][0]["agent_id"]
        released = await both.admin("DELETE", f"/quarantine/{agent_id}", 1, reason="fine")
        assert (released.status, released.json()["state"]) == (200, "PROBATION")
        for gateway in both.gateways:
            assert (await ask(gateway, asking(BAD))).status == 200


async def test_an_agent_can_be_stopped_in_its_first_stream(own_redis: RedisServer, tmp_path: Path) -> None:
    async with world(tmp_path, own_redis.url, own_redis.url) as both, AsyncExitStack() as stack:
        connection = await stack.enter_async_context(await RawConnection.open(address(both.gateways[0])))
        await connection.send(asking(BAD, stream=True))
        status, headers = (await connection.response_head())[:2]
        agent_id = dict(headers)["x-gateway-agent-id"]
        await connection.reader.readuntil(b"Hel")
        assert status == 200
        await until(lambda: both._stored(agent_id))
        record = (await both.admin("GET", f"/agents/{agent_id}", 1)).json()
        assert (record["requests"], record["models"]) == (0, [])
        assert (await both.quarantine(agent_id, 1)).status == 200
        await cut(connection, Stopwatch())

        async def counted() -> bool:
            return bool((await both.admin("GET", f"/agents/{agent_id}")).json()["requests"] == 1)

        await until(counted)


@pytest.mark.faults
async def test_quarantine_takes_effect_soon(own_redis: RedisServer, tmp_path: Path, figures: Figures) -> None:
    calls, cuts, requests = [], [], 0
    for n in range(3):
        own_redis.ask("FLUSHALL")
        async with world(tmp_path / str(n), own_redis.url, own_redis.url) as both:
            took, cut_after, load = await run_under_load(both, seconds=2, number=50, rate=200)
            calls.append(took)
            cuts += cut_after
            requests += load.requests
    figures.note(
        "quarantine over two gateways, at 200 requests a second and 50 streams",
        faults=3,
        requests=requests,
        **milliseconds(calls, "answered_"),
        **milliseconds(cuts, "cut_"),
    )


async def test_a_frozen_replica_is_pending_and_lets_nothing_through_when_it_goes_on(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    async with world(tmp_path, own_redis.url, own_redis.url) as both:
        agent_id = await both.known()
        frozen = both.gateways[1]
        async with AsyncExitStack() as stack:
            opened = await streams(both, stack, 2)
            waiting = await stack.enter_async_context(await RawConnection.open(address(frozen)))
            await waiting.send(asking(GOOD))
            assert (await waiting.response()).status == 200
            os.kill(frozen.pid, signal.SIGSTOP)
            try:
                answer = await both.quarantine(agent_id)
                assert answer.status == 202 and len(answer.json()["pending"]) == 1
                before = both.reached
                await waiting.send(asking(BAD))  # it will find this when it goes on
                while answer.status == 202:
                    answer = await both.quarantine(agent_id)
                assert answer.status == 200
            finally:
                os.kill(frozen.pid, signal.SIGCONT)
            assert (await waiting.response()).status == 403
            for connection in opened:
                await cut(connection, Stopwatch())
            assert both.reached == before


async def test_a_partitioned_replica_lets_nothing_through_if_it_is_strict(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    async with (
        FaultProxy(own_redis.url) as proxy,
        world(tmp_path, own_redis.url, f"redis://127.0.0.1:{proxy.port}", GATEWAY_ON_STATE_LOSS="strict") as both,
    ):
        agent_id = await both.known()
        assert (await ask(both.gateways[1], asking(BAD))).status == 200
        proxy.delay = 3600
        answer = await both.quarantine(agent_id)
        assert answer.status == 202 and len(answer.json()["pending"]) == 1
        while answer.status == 202:
            answer = await both.quarantine(agent_id)
        before = both.reached
        for who in (BAD, GOOD):
            said = await ask(both.gateways[1], asking(who))
            assert (said.status, said.json()["error"]["code"]) == (503, "state_unavailable")
        assert (await ask(both.gateways[1], request("/readyz", method="GET"))).status == 503
        assert both.reached == before


@pytest.mark.parametrize("how", ["emptied", "older", "emptied while all gateways are down"])
async def test_what_redis_forgets_stays_blocked(own_redis: RedisServer, tmp_path: Path, how: str) -> None:
    data, copy = own_redis.directory, tmp_path / "older"
    async with world(tmp_path, own_redis.url, own_redis.url) as both:
        agent_id = await both.known()
        if how == "older":
            shutil.copytree(next(data.glob("append*")).parent, copy, ignore=shutil.ignore_patterns("*.sock"))
        assert (await both.quarantine(agent_id)).status == 200
        if how == "emptied":
            assert own_redis.ask("FLUSHALL") == b"+OK\r\n"
        elif how == "older":
            own_redis.kill()
            assert await both.is_blocked(both.gateways[1])
            for path in data.glob("append*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            shutil.copytree(copy, data, dirs_exist_ok=True)
            own_redis.start()
        if how != "emptied while all gateways are down":
            for gateway in both.gateways:
                assert await both.is_blocked(gateway)
            # Who comes now must hear of it from Redis.
            await until(lambda: own_redis.ask("HEXISTS", "leuko:{control}:state", f"lifecycle:{agent_id}") == b":1\r\n")
            async with world(tmp_path / "new", own_redis.url) as new:
                assert await new.is_blocked(new.gateways[0])
    if how == "emptied while all gateways are down":
        assert own_redis.ask("FLUSHALL") == b"+OK\r\n"
        async with world(tmp_path, own_redis.url, own_redis.url) as again:
            for gateway in again.gateways:
                assert await again.is_blocked(gateway)


async def test_the_streams_of_a_revoked_key_are_cut_on_every_gateway(own_redis: RedisServer, tmp_path: Path) -> None:
    async with (
        world(tmp_path, own_redis.url, own_redis.url, LLM_UPSTREAM_API_KEY="sk-provider-0123456789") as both,
        AsyncExitStack() as stack,
    ):
        agent_id = (await both.admin("POST", "/agents", name="billing")).json()["agent_id"]
        made = (await both.admin("POST", f"/agents/{agent_id}/keys")).json()
        opened = []
        for gateway in both.gateways:
            connection = await stack.enter_async_context(await RawConnection.open(address(gateway)))
            await connection.send(asking(f"Bearer {made['api_key']}", stream=True))
            assert (await connection.response_head())[0] == 200
            await connection.reader.readuntil(b"Hel")
            opened.append(connection)
        assert (await both.admin("DELETE", f"/agents/{agent_id}/keys/{made['key_id']}", 1)).status == 204
        for connection, gateway in zip(opened, both.gateways, strict=True):
            assert b"invalid_api_key" in await connection.reader.readuntil(b"0\r\n\r\n")
            assert (await ask(gateway, asking(f"Bearer {made['api_key']}"))).status == 401
