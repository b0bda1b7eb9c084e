"""Whatever callers invent, names, keys, models, paths, leaves no trace in the memory of the gateway."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.faults.census import census, culprits
from tests.faults.figures import Figures, Stopwatch
from tests.faults.inside import inside, quiet, small_caches
from tests.faults.providers import WHOLE, Provider, providing
from tests.faults.world import (
    AT_A_TIME,
    MIB,
    Pool,
    address,
    at_rest,
    chat,
    gateway_process,
    request,
    resident,
    settled,
    until,
)
from tests.support.circles import errors_in_circles
from tests.support.redis import RedisServer


def inventive(number: int) -> bytes:
    """A request of which nothing was ever seen before."""
    credential: dict[str, Any] = {"authorization": f"Bearer sk-invented-{number:010}", "x_agent_id": f"agent-{number}"}
    if number % 4 == 0:
        return request(f"/v1/models/invented%2F{number}", method="GET", **credential)
    if number % 4 == 1:
        return request(f"/openai/deployments/invented-{number}/chat/completions", chat("m"), **credential)
    tools = [{"type": "function", "function": {"name": f"tool_{number}"}}]
    agent: dict[str, Any] = {"user_agent": f"agent/{number}", "x_invented": str(number)}
    return request(document=chat(f"model-{number}", user=f"user-{number}", tools=tools), **credential, **agent)


async def ask_inventively(pool: Pool, numbers: range) -> None:
    todo = iter(numbers)

    async def some() -> None:
        for number in todo:
            assert (await pool.ask(inventive(number))).status == 200

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_A_TIME):
            group.create_task(some())


@pytest.mark.usefixtures("frozen")
async def test_nothing_in_the_process_grows_with_what_callers_invent(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its caches made small, so that a few thousand requests fill them."""
    bound = 200
    small_caches(monkeypatch, bound)
    async with (
        providing(Provider) as (url, _),
        inside(redis_url, url, tmp_path) as (gateway, where),
        Pool(where) as pool,
    ):
        await ask_inventively(pool, range(600))
        await quiet(gateway, bound)
        before, types_before = census()
        await ask_inventively(pool, range(600, 2400))
        await quiet(gateway, bound)
        after, types_after = census()
        assert not gateway.path.active
        assert not gateway.state.agents.dropped
    assert culprits(before, after, bound) == []
    more = {name: count - types_before[name] for name, count in types_after.items()}
    assert not {name: count for name, count in more.items() if count > 2 * bound}


async def test_requests_that_redis_is_too_late_for_leave_nothing_to_the_collector(
    redis_url: str, tmp_path: Path
) -> None:
    """It looks seldom, and each such error would hold a batch of commands until then."""
    link = redis.Redis.from_url(redis_url)
    policies = json.dumps([{"name": "all", "limits": {"requests_per_minute": 1000}}])
    async with (
        providing(Provider) as (url, _),
        inside(redis_url, url, tmp_path, policies=policies) as (gateway, where),
        Pool(where) as pool,
    ):
        await ask_inventively(pool, range(40))
        gateway.state.store._way._op_timeout = 0.02
        with errors_in_circles() as held:
            link.client_pause(3000)
            answers = await asyncio.gather(*(pool.ask(inventive(number)) for number in range(200)))
            assert {answer.status for answer in answers} <= {200, 503}
            await until(lambda: gateway.state.store.trips)
            gateway.state.store._way._op_timeout = 2.0
            await until(lambda: gateway.state.store.healthy and not gateway.path.active)
    assert held == []


class Failing(Provider):
    def answer(self) -> None:
        self.transport.write(WHOLE[:60])
        self.transport.close()


@pytest.mark.parametrize(
    ("kind", "limits", "status"),
    [
        pytest.param(Provider, {"requests_per_minute": 0}, 429, id="refused"),
        pytest.param(Failing, {"requests_per_minute": 1000}, 502, id="failed"),
    ],
)
async def test_requests_that_end_badly_leave_nothing_to_the_collector(
    redis_url: str, tmp_path: Path, kind: type[Provider], limits: dict[str, int], status: int
) -> None:
    policies = json.dumps([{"name": "all", "limits": limits}])
    async with (
        providing(kind) as (url, _),
        inside(redis_url, url, tmp_path, policies=policies) as (gateway, where),
        Pool(where) as pool,
    ):
        await pool.ask(inventive(2))
        with errors_in_circles() as held:
            answers = [await pool.ask(inventive(number)) for number in range(2, 42, 4)]
            assert {answer.status for answer in answers} == {status}
            await until(lambda: not gateway.path.active)
    assert held == []


@pytest.mark.usefixtures("frozen")
async def test_a_census_finds_a_container_that_grows() -> None:
    """The test above is no test if it cannot fail."""
    kept: dict[int, object] = {}
    before, _ = census()
    for number in range(1000):
        kept[number] = [number]
    after, types = census()
    assert after[id(kept)] - before.get(id(kept), 0) == 1000
    assert types["list"] >= 1000


async def memory_of(requests: int, steps: int, redis: RedisServer) -> tuple[list[int], float, int]:
    """Bytes that a gateway process has after each of so many steps, requests a second, agents known afterwards."""
    sizes = []
    async with (
        providing(Provider) as (url, _),
        gateway_process(redis.url, upstream=url) as gateway,
        Pool(address(gateway)) as pool,
    ):
        watch = Stopwatch()
        for step in range(steps):
            await ask_inventively(pool, range(step * requests // steps, (step + 1) * requests // steps))
            sizes.append(resident(gateway.pid))
        rate = requests / watch.seconds
        totals = await settled(gateway, requests)
        assert totals["errors"] == 0
        known = await at_rest(gateway)
    return sizes, rate, known


async def test_a_gateway_process_does_not_grow_with_its_requests(own_redis: RedisServer) -> None:
    """Its caches fill meanwhile, which is all that grows."""
    sizes, _, known = await memory_of(4000, 4, own_redis)
    assert known == 4000
    assert sizes[-1] - sizes[0] < 24 * MIB


def slope(sizes: list[int], requests_each: int) -> float:
    """Bytes a thousand requests, by least squares over the second half of the run."""
    half = sizes[len(sizes) // 2 :]
    middle, mean = (len(half) - 1) / 2, sum(half) / len(half)
    rise = sum((n - middle) * (size - mean) for n, size in enumerate(half))
    return rise / sum((n - middle) ** 2 for n in range(len(half))) / requests_each * 1000


@pytest.mark.faults
@pytest.mark.timeout(900)
async def test_the_memory_of_a_hundred_thousand_requests(own_redis: RedisServer, figures: Figures) -> None:
    count, steps = 100_000, 50
    sizes, rate, known = await memory_of(count, steps, own_redis)
    bytes_a_thousand = slope(sizes, count // steps)
    figures.note(
        "requests of which nothing was ever seen before",
        requests=count,
        requests_a_second=rate,
        agents_known=known,
        first_mib=sizes[0] / MIB,
        half_way_mib=sizes[steps // 2] / MIB,
        last_mib=sizes[-1] / MIB,
        bytes_a_thousand_in_the_second_half=bytes_a_thousand,
    )
    assert bytes_a_thousand < 64 * 1024
