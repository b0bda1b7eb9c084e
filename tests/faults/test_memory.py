"""Whatever callers invent, names, keys, models, paths, leaves no trace in the memory of the gateway."""

import asyncio
import gc
import itertools
import weakref
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.assembly import Gateway
from gateway.edge import data_plane
from gateway.edge.server import Listener, Server
from gateway.edge.sockets import bind
from gateway.identity import fingerprint
from gateway.phases import profile, record, refine
from gateway.policy import plan
from gateway.pricing import calibration, table
from gateway.settings import Settings, resolve_secrets
from gateway.store import agents, credentials, limits, verified
from gateway.telemetry import top_agents
from gateway.upstream import breaker
from tests.faults.figures import Figures, Stopwatch
from tests.faults.providers import Provider, providing
from tests.faults.world import MIB, Pool, address, admin, chat, gateway_process, request, resident, settled, until
from tests.support.gateway import ADMIN_KEY, SECRET, GatewayProcess
from tests.support.redis import RedisServer

AT_A_TIME = 24
CACHES = (
    (fingerprint, "_CACHE_LIMIT"),
    (data_plane, "_CACHED_PATHS"),
    (breaker, "_KEYS"),
    (plan, "_REMEMBERED"),
    (profile, "_KNOWN_LIMIT"),
    (profile, "_REMEMBERED_LIMIT"),
    (record, "_MOST_RESOURCES"),
    (refine, "_KNOWN_LIMIT"),
    (credentials, "_CREDENTIALS_LIMIT"),
    (credentials, "_KNOWN_LIMIT"),
    (verified, "_MOST"),
    (agents, "_BEGUN_LIMIT"),
    (limits, "_LAYOUTS"),
    (top_agents, "_WATCHED"),
    (calibration, "_MODELS_LIMIT"),
    (table, "_KNOWN_LIMIT"),
)
"""What is remembered of callers, keyed by what they choose."""


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


@asynccontextmanager
async def inside(
    redis_url: str, upstream: str, directory: Path, **more: Any
) -> AsyncIterator[tuple[Gateway, tuple[str, int]]]:
    """The gateway as `app` builds it, in this very process, so that its objects can be looked at."""
    settings = Settings(
        admin_key=SecretStr(ADMIN_KEY),
        secret=SecretStr(SECRET),
        ingest_api_key=SecretStr(SECRET + "-ingest"),
        redis_url=redis_url,
        llm_upstream_url=upstream,
        data_dir=directory,
        **more,
    )
    gateway = Gateway(settings, resolve_secrets(settings), redis_url)
    gateway.state.store._way._op_timeout = 2.0  # a busy machine, or a census, must not look like a lost Redis
    sockets = bind("127.0.0.1", 0)
    listeners: list[Listener] = gateway.listeners({"main": sockets})
    server = Server(listeners, hooks=gateway.drain, handle_signals=False)
    async with gateway.running():
        serving = asyncio.create_task(server.serve())
        await server.started.wait()
        try:
            yield gateway, sockets[0].getsockname()
        finally:
            server.stop(grace=False)
            await serving


def containers() -> Iterator[Any]:
    """Everything in this process that may grow, each once.

    The collector does not track a dict of strings and numbers alone, but the object that holds it.
    """
    seen = set[int]()
    tracked = gc.get_objects()
    for thing in itertools.chain(tracked, gc.get_referents(*tracked)):
        if isinstance(thing, dict | set | list | deque) and not isinstance(thing, Counter) and id(thing) not in seen:
            seen.add(id(thing))
            yield thing


def census() -> tuple[dict[int, int], Counter[str]]:
    """The sizes of all containers by their identity, and how many objects of each type there are."""
    gc.collect()
    types = Counter(type(thing).__qualname__ for thing in gc.get_objects())
    return {id(thing): len(thing) for thing in containers()}, types


def culprits(before: dict[int, int], after: dict[int, int], bound: int) -> list[tuple[str, int, str]]:
    """Containers that hold many more than twice `bound` things, and many more than before: type, size, contents."""
    grown = {one for one, size in after.items() if size > max(2 * bound, before.get(one, 0) + bound)} - {id(before)}
    found = [thing for thing in containers() if id(thing) in grown and not registers_types(thing)]
    return [(type(thing).__name__, len(thing), repr(thing)[:200]) for thing in found]


def registers_types(container: Any) -> bool:
    """Whether the interpreter keeps classes there, weakly; other tests' imports add to it."""
    some = next(iter(container.values()), None) if isinstance(container, dict) else None
    return isinstance(some, weakref.ref) and isinstance(some(), type)


def small_caches(monkeypatch: pytest.MonkeyPatch, bound: int) -> None:
    """Have whatever is remembered of callers hold so many things at most."""
    for module, name in CACHES:
        assert getattr(module, name) > bound
        monkeypatch.setattr(module, name, bound)


async def quiet(gateway: Gateway, bound: int) -> None:
    """Return once all that was asked is written and signed, but for what goes on by itself."""
    state, log = gateway.state, gateway.recording.log

    def rests() -> bool:
        queues = (state.credentials._waiting, state.forms._waiting, state.store._way._waiting)
        return not state.agents.pending and log.size - log.signed < bound and all(len(q) < bound for q in queues)

    await until(rests)


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


async def at_rest(gateway: GatewayProcess) -> int:
    """How many agents are known, once that changes no more."""
    known, since = -1, Stopwatch()
    while since.seconds < 0.5:
        totals = await admin(gateway, "/stats")
        if totals is None or totals["agents"] != known:  # None: on a busy machine Redis may seem late
            known, since = totals["agents"] if totals else known, Stopwatch()
        await asyncio.sleep(0.05)
    return known


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
