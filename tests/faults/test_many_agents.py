"""A hundred thousand agents cost a request no more than ten do, and leave no more behind than retention lets them.

Three kinds of agents take turns: one in three is named by its credential and `X-Agent-Id`, one found by its credential,
tools and prompt, one known by a key that was issued here.
"""

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import redis
from pydantic import SecretStr

from gateway.assembly import Gateway
from gateway.store import control, usage, verified
from gateway.store.connection import Connection
from gateway.store.keys import PARTITIONS
from gateway.store.registry import Attributes, Registry
from gateway.store.scripts import ScriptCall
from tests.faults.census import census, culprits
from tests.faults.figures import Figures, Stopwatch
from tests.faults.inside import inside, quiet, small_caches
from tests.faults.providers import Provider, providing
from tests.faults.world import (
    AT_A_TIME,
    MIB,
    Pool,
    address,
    at_rest,
    chat,
    cpu_seconds,
    gateway_process,
    request,
    resident,
    until,
)
from tests.support.gateway import GatewayProcess
from tests.support.redis import RedisServer

PROVIDERS_KEY = "sk-provider-0123456789"
POLICIES = json.dumps([{"name": "all", "limits": {"requests_per_minute": 1_000_000}}])
HINTS_EACH = 40  # ids behind one credential
DAY = 86_400
BUCKETS = 21  # lines of a histogram for one more status
JSON = {"content_type": "application/json"}
TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]

FOR_EVER = {"schema", "stats", "agents", "agent_names", "signing_key", "audit:chains", "events"}
FOR_EVER |= {f"{{control}}:{name}" for name in ("log", "state", "replicas")}
FOR_EVER |= {f"{{watch-{part}}}:{name}" for part in range(PARTITIONS) for name in ("feed", "position", "busy")}
"""Single keys without an end, each bounded in itself."""


def asking(number: int, keys: dict[int, str]) -> bytes:
    """A request of an agent; `keys` are those issued to every third one."""
    if number % 3 == 0:
        who = {"authorization": f"Bearer sk-named-{number // HINTS_EACH:010}", "x_agent_id": f"agent-{number}"}
        return request(document=chat("m"), **who)
    if number % 3 == 1:
        document = chat("m", tools=TOOLS)
        document["messages"].insert(0, {"role": "system", "content": f"You are the assistant of shop {number}."})
        return request(document=document, authorization=f"Bearer sk-found-{number:010}", user_agent="shop/1.0")
    return request(document=chat("m"), authorization=f"Bearer {keys[number]}")


async def ask_all(pool: Pool, numbers: Iterable[int], keys: dict[int, str]) -> int:
    """How many were told to come again, and did: on a busy machine Redis may seem late."""
    todo, again = iter(numbers), 0

    async def some() -> None:
        nonlocal again
        for number in todo:
            while (answer := await pool.ask(asking(number, keys))).status == 503:
                again += 1
                await asyncio.sleep(0.1)
            assert answer.status == 200, answer

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_A_TIME):
            group.create_task(some())
    return again


# -- in this process, where objects can be looked at and questions counted


@asynccontextmanager
async def crowd(redis_url: str, tmp_path: Path, agents: int, **more: Any) -> AsyncIterator["Crowd"]:
    """A gateway with a limit on everybody, and keys for every third of so many agents, none of which has called."""
    given = {"llm_upstream_api_key": SecretStr(PROVIDERS_KEY), "policies": POLICIES, **more}
    async with (
        providing(Provider) as (url, _),
        inside(redis_url, url, tmp_path, **given) as (gateway, where),
        Pool(where) as pool,
    ):
        keys = {}
        for number in range(2, agents, 3):
            _, keys[number] = await gateway.state.identities.register(Attributes(name=f"agent {number}"))
        yield Crowd(gateway, pool, keys)
        assert not gateway.state.agents.dropped


class Crowd:
    def __init__(self, gateway: Gateway, pool: Pool, keys: dict[int, str]) -> None:
        self.gateway, self.pool, self.keys = gateway, pool, keys

    async def ask(self, numbers: Iterable[int]) -> None:
        """Return when all is written."""
        await ask_all(self.pool, numbers, self.keys)
        state = self.gateway.state
        await until(lambda: not (state.credentials._waiting or state.agents.pending or state.forms._waiting))

    async def waits(self, numbers: range) -> dict[str, float]:
        """How often a request of each of these agents waited for Redis, by command or script."""
        with questions(self.gateway) as counted:
            await self.ask(numbers)
        return {what: count / len(numbers) for what, count in counted.items() if count}

    async def series(self) -> set[str]:
        """Name and labels of every metric."""
        text = await self.gateway.path.telemetry.scrape()
        return {line.rpartition(" ")[0] for line in text.splitlines() if line and not line.startswith("#")}


@contextmanager
def questions(gateway: Gateway) -> Iterator[Counter[str]]:
    """What requests ask Redis and wait for; what is written behind them waits in no request's task."""
    store, counted = gateway.state.store, Counter[str]()
    script, execute, submit = store.script, store.execute, store.submit

    def count(what: str) -> None:
        task = asyncio.current_task()
        counted[what] += any(exchange.task is task for exchange in gateway.path.active)

    def counting_script(name: str, *rest: Any) -> Any:
        count(name)
        return script(name, *rest)

    def counting_execute(*command: Any) -> Any:
        count(command[0])
        return execute(*command)

    def counting_submit(command: Any, *rest: Any, **more: Any) -> Any:
        if isinstance(command, ScriptCall):
            count(command.script.name)
        return submit(command, *rest, **more)

    store.script, store.execute, store.submit = counting_script, counting_execute, counting_submit
    try:
        yield counted
    finally:
        store.script, store.execute, store.submit = script, execute, submit


async def test_a_request_asks_redis_no_more_among_thousands_of_agents_than_among_ten(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified, "FRESH", 1e9)  # a slow run must not seem to ask more
    few, many, some = range(12), range(3000), range(0, 3000, 5)
    async with crowd(redis_url, tmp_path, len(many)) as agents:
        for _ in range(2):
            await agents.ask(few)
        assert await agents.waits(few) == {"reserve": 1.0}
        await agents.ask(many)
        assert await agents.waits(few) == {"reserve": 1.0}
        await agents.ask(some)
        assert await agents.waits(some) == {"reserve": 1.0}
        # One that this process has forgotten, or never met: once more for its id or its form, twice for its key.
        small_caches(monkeypatch, 100)
        for kind, most in ((0, {"read_id"}), (1, {"read_id", "read_hash"}), (2, {"read_fields", "agent_key"})):
            others = range(kind, 900, 3)
            await agents.ask(others)
            found = await agents.waits(others)
            assert found.pop("reserve") == 1.0
            assert sum(found.values()) <= len(most), found


async def test_thousands_of_agents_have_no_more_series_than_hundreds(redis_url: str, tmp_path: Path) -> None:
    async with crowd(redis_url, tmp_path, 1500) as agents:
        await agents.ask(range(150))
        before = await agents.series()
        await agents.ask(range(150, 1500))
        after = await agents.series()
    assert len(after) <= len(before) + 2 * BUCKETS  # a busy machine has some come again, which is one more status
    named = {label for one in after for label in re.findall(r'agent="([^"]*)"', one)}
    assert 2 <= len(named) <= 51 and "other" in named


@pytest.mark.usefixtures("frozen")
async def test_nothing_in_the_process_grows_with_its_agents(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = 200
    small_caches(monkeypatch, bound)
    async with crowd(redis_url, tmp_path, 1800) as agents:
        await agents.ask(range(600))
        await quiet(agents.gateway, bound)
        before, types_before = census()
        await agents.ask(range(600, 1800))
        await quiet(agents.gateway, bound)
        after, types_after = census()
        assert culprits(before, after, bound) == []
    more = {name: count - types_before[name] for name, count in types_after.items()}
    assert not {name: count for name, count in more.items() if count > 2 * bound}


# -- what Redis keeps


def lasting(link: "redis.Redis[bytes]") -> Counter[str]:
    """Keys without an end, by kind."""
    found = Counter[str]()
    for key in link.scan_iter(count=1000):
        if link.ttl(key) == -1:
            found[re.sub(r":\{(?!control).*", "", key.decode().removeprefix("leuko:"))] += 1
    return found


async def forget_idle(link: "redis.Redis[bytes]", url: str, days: int) -> int:
    """What the gateway's hourly look would find after so many days in which nobody calls; how many are forgotten."""
    link.delete("leuko:idle_sweep")
    store = Connection(url, op_timeout=1)
    try:
        registry = Registry(store, clock=lambda: time.time() + days * DAY, random_bytes=bytes)
        return await registry.forget_idle(30 * DAY)
    finally:
        await store.close()


async def test_redis_keeps_nothing_of_idle_agents_but_what_ends_by_itself(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents, names, rows = 600, 50, 100
    monkeypatch.setattr(usage, "_NAMES_LIMIT", names)
    link = redis.Redis.from_url(redis_url)
    async with crowd(redis_url, tmp_path, agents, retention={"vitals_count": rows}) as some:
        await some.ask(range(agents))
        await some.ask([0] * 500)
        await until(lambda: link.exists("leuko:audit:chains"))
    issued = agents // 3
    assert link.zcard("leuko:agents") == agents
    assert lasting(link)["agent"] == agents
    streams = [link.xlen(key) for key in link.scan_iter("leuko:vitals:*", count=1000)]
    assert len(streams) == agents
    assert max(streams) < 2 * rows  # Redis trims by whole nodes of a hundred
    for key in link.scan_iter("leuko:usage:*", count=1000):
        assert link.hlen(key) <= 8 * (names + 1) + 2
    ends = {"vitals": 7, "usage": 400, "credential": 30, "forms": 30, "audit:{": 30}
    for kind, days in ends.items():
        lives = [link.ttl(key) for key in link.scan_iter(f"leuko:{kind}*", count=1000)]
        assert lives and 0 < min(lives) <= max(lives) <= days * DAY, kind
    assert await forget_idle(link, redis_url, 29) == 0
    assert await forget_idle(link, redis_url, 31) == agents - issued
    assert link.zcard("leuko:agents") == issued
    assert not list(link.scan_iter("leuko:forms:*")) and not list(link.scan_iter("leuko:credential:*"))
    left = lasting(link)
    assert {kind: left.pop(kind) for kind in ("agent", "agent_key", "agent_keys")} == dict.fromkeys(
        ("agent", "agent_key", "agent_keys"), issued
    )
    assert left.keys() <= FOR_EVER and set(left.values()) == {1}


async def test_the_control_state_grows_with_what_is_decided_on_and_not_with_how_often(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_LOG_LENGTH", 100)
    link = redis.Redis.from_url(redis_url)
    sizes = []
    async with crowd(redis_url, tmp_path, 0) as agents:
        quarantine = agents.gateway.state.quarantine
        for _ in range(60):
            for agent_id in ("agt_1", "agt_2", "agt_3"):
                await quarantine.block(agent_id, "too eager", "adm")
                _, epoch = await quarantine.release(agent_id, "fine", "adm")
            sizes.append(link.memory_usage("leuko:{control}:state", samples=0))
        lives = [field for field in link.hkeys("leuko:{control}:state") if field.startswith(b"lifecycle:")]
        assert len(lives) == 3
        # By then the twenty moves that are remembered of each have been made; a time may be a digit longer.
        assert abs(sizes[-1] - sizes[20]) < 200 < sizes[1] - sizes[0]
        assert link.xlen("leuko:{control}:log") < 2 * 100
        link.hset("leuko:{control}:replicas", "rep_gone", f"1 {round(time.time() * 1000) - 61_000}")
        assert await agents.gateway.state.control.acknowledged(epoch, 1) == []
        assert link.hkeys("leuko:{control}:replicas") == [agents.gateway.state.control.replica.encode()]


# -- a hundred thousand


INGEST_KEY = "igk-Zt7RwQ2mXv9LpKdB"


@asynccontextmanager
async def serving(redis_url: str, upstream: str, directory: Path) -> AsyncIterator[tuple[GatewayProcess, Pool]]:
    env = {
        "GATEWAY_DATA_DIR": str(directory),
        "GATEWAY_POLICIES": POLICIES,
        "INGEST_API_KEY": INGEST_KEY,
        "LLM_UPSTREAM_API_KEY": PROVIDERS_KEY,
    }
    async with gateway_process(redis_url, upstream=upstream, **env) as gateway, Pool(address(gateway)) as pool:
        yield gateway, pool


async def issue(pool: Pool, agents: int) -> dict[int, str]:
    """A key for every third agent."""
    keys: dict[int, str] = {}
    todo = iter(range(2, agents, 3))

    async def some() -> None:
        for number in todo:
            for tries in range(20):
                name = {"name": f"agent {number}.{tries}"}  # one that was made and got no key keeps its name
                data = request("/api/v1/agents/register", name, authorization=f"Bearer {INGEST_KEY}", **JSON)
                answer = await pool.ask(data)
                if answer.status != 503:
                    break
                await asyncio.sleep(0.1)
            assert answer.status == 201, answer
            keys[number] = answer.json()["api_key"]

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(some())
    return keys


async def microseconds(gateway: GatewayProcess, pool: Pool, numbers: Sequence[int], keys: dict[int, str]) -> float:
    """Of the gateway's CPU for each request, those included that were told to come again."""
    before = cpu_seconds(gateway.pid)
    again = await ask_all(pool, numbers, keys)
    return (cpu_seconds(gateway.pid) - before) / (len(numbers) + again) * 1e6


async def scraped(gateway: GatewayProcess) -> int:
    """How many series there are."""
    answer = await asyncio.to_thread(gateway.admin, "/metrics")
    assert answer.status_code == 200
    return sum(1 for line in answer.text.splitlines() if line and not line.startswith("#"))


@pytest.mark.faults
@pytest.mark.timeout(1800)
async def test_a_hundred_thousand_agents(
    own_redis: RedisServer, shared_redis: RedisServer, tmp_path: Path, figures: Figures
) -> None:
    count, steps, hot = 100_000, 4, [*range(12)] * 250
    assert shared_redis.ask("FLUSHALL") == b"+OK\r\n"
    link = redis.Redis.from_url(own_redis.url)
    sizes, dice = [], random.Random(1)
    # In turns, and the medians are compared: what else the machine does falls on all alike.
    costs: dict[str, list[float]] = {"ten": [], "many": [], "any": []}
    async with (
        providing(Provider) as (url, _),
        serving(shared_redis.url, url, tmp_path / "ten") as (few, few_pool),
        serving(own_redis.url, url, tmp_path / "many") as (many, many_pool),
    ):
        few_keys, keys = await issue(few_pool, 12), await issue(many_pool, count)
        await ask_all(few_pool, hot, few_keys)
        await ask_all(many_pool, range(1000), keys)
        sizes.append(resident(many.pid))
        series = await scraped(many)
        again = 0
        for step in range(steps):
            again += await ask_all(many_pool, range(step * count // steps, (step + 1) * count // steps), keys)
            sizes.append(resident(many.pid))
        assert await at_rest(many) >= count
        for _ in range(15):
            costs["ten"].append(await microseconds(few, few_pool, hot, few_keys))
            costs["many"].append(await microseconds(many, many_pool, hot, keys))
            costs["any"].append(await microseconds(many, many_pool, dice.sample(range(count), 3000), keys))
        sizes.append(resident(many.pid))
        later = await scraped(many)
    kept = link.info("memory")["used_memory"]
    watch = Stopwatch()
    gone = await forget_idle(link, own_redis.url, 31)
    swept = watch.seconds
    left = lasting(link)
    figures.note(
        "a hundred thousand agents",
        agents=count,
        asked_to_come_again=again,
        cpu_us_a_request_among_ten=median(costs["ten"]),
        cpu_us_a_request_of_ten_among_all=median(costs["many"]),
        cpu_us_a_request_of_any=median(costs["any"]),
        mib_of_a_thousand_and_each_quarter=[round(size / MIB) for size in sizes[:-1]],
        mib_at_the_end=sizes[-1] / MIB,
        series_of_a_thousand=series,
        series_of_all=later,
        redis_mib=kept / MIB,
        redis_keys_without_an_end_after_31_days=sum(left.values()),
        forgotten_when_idle=gone,
        forgetting_seconds=swept,
    )
    issued = len(keys)
    assert median(costs["many"]) < 1.2 * median(costs["ten"]), costs
    assert median(costs["any"]) < 2.5 * median(costs["ten"]), costs
    assert later <= series + 3 * BUCKETS  # statuses that came up later
    assert sizes[-1] - sizes[1 + steps // 2] < 32 * MIB, sizes
    assert gone == count - issued
    assert issued <= link.zcard("leuko:agents") == left["agent"]
    assert left.keys() <= FOR_EVER | {"agent", "agent_key", "agent_keys"}
