"""A gateway process under fault: how it is started, asked quickly, and what the kernel says of it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.faults.figures import Stopwatch
from tests.support.gateway import ADMIN_KEY, GatewayProcess, fork_gateway
from tests.support.raw_http import RawConnection, Response
from tests.support.upstream import Script, ThreadedUpstream

CHAT = "/v1/chat/completions"
MIB = 2**20
WITHIN = 20.0
AT_A_TIME = 24


@asynccontextmanager
async def gateway_process(redis_url: str, *args: str, upstream: str = "", **env: str) -> AsyncIterator[GatewayProcess]:
    """A gateway for the length of a block, stopped without hurry: an exchange that is stuck fails the test."""
    given = {"GATEWAY_REDIS_URL": redis_url, **env}
    if upstream:
        given["LLM_UPSTREAM_URL"] = upstream
    gateway = await asyncio.to_thread(fork_gateway, *args, env=given)
    try:
        yield gateway
    except BaseException:
        gateway.process.kill()
        gateway.process.wait()
        print(gateway.output[-4000:])
        raise
    if gateway.process.poll() is None:
        assert await asyncio.to_thread(gateway.stop) == 0
    assert "Traceback" not in gateway.output, gateway.output


def address(gateway: GatewayProcess) -> tuple[str, int]:
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    return host, int(port)


# -- requests


def request(
    path: str = CHAT, document: Any = None, *, method: str = "POST", body: bytes = b"", **headers: Any
) -> bytes:
    """A request's bytes; `_` in header names stands for `-`."""
    if document is not None:
        body = json.dumps(document).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def chat(model: str = "stub-echo", **members: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}], **members}


GET_LIVEZ = request("/livez", method="GET")


class Pool:
    """Connections to one address, kept alive and used again: cheap enough to load a gateway from the same machine."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._idle: list[RawConnection] = []

    @property
    def idle(self) -> int:
        """Connections that may be used again."""
        return sum(not connection.reader.at_eof() for connection in self._idle)

    async def __aenter__(self) -> "Pool":
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._idle:
            await connection.close()

    async def ask(self, data: bytes) -> Response:
        """Send a request's bytes; the whole answer."""
        connection = await self._connection()
        try:
            await connection.send(data)
            answer = await connection.response()
        except BaseException:
            await connection.close()
            raise
        if answer.header("connection") == "close":
            await connection.close()
        else:
            self._idle.append(connection)
        return answer

    async def _connection(self) -> RawConnection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.reader.at_eof():
                return connection
            await connection.close()
        return await RawConnection.open(self._address)


async def ask(gateway: GatewayProcess, data: bytes) -> Response:
    """One request on a connection of its own."""
    async with await RawConnection.open(address(gateway)) as connection:
        await connection.send(data)
        return await connection.response()


async def admin(gateway: GatewayProcess, path: str) -> Any:
    """The admin API's answer; None where it says that it cannot know now."""
    answer = await ask(gateway, request(f"/api/gateway{path}", method="GET", x_admin_key=ADMIN_KEY))
    return answer.json() if answer.status == 200 else None


async def settled(gateway: GatewayProcess, executions: int) -> dict[str, Any]:
    """The totals, once they say that so many exchanges were settled."""
    totals: dict[str, Any] = {}

    async def enough() -> bool:
        nonlocal totals
        totals = await admin(gateway, "/stats") or {}
        return bool(totals) and totals["executions"] >= executions

    await until(enough, lambda: f"{totals.get('executions')} of {executions} exchanges were settled")
    assert totals["executions"] == executions
    return totals


class Relay:
    """A gateway that outlives a test, with the provider behind it, and how many exchanges it has had."""

    def __init__(self, gateway: GatewayProcess, provider: ThreadedUpstream) -> None:
        self.gateway = gateway
        self.provider = provider
        self._asked = 0

    def says(self, script: Script) -> None:
        """What the provider answers from now on; runs in a loop of its own."""
        self.provider.inner.script = script
        self.provider.inner.conversations.clear()
        self.provider.requests.clear()

    async def ask(self, pool: Pool, data: bytes) -> Response:
        self._asked += 1
        return await pool.ask(data)

    async def settled(self) -> None:
        """Return when every exchange so far is."""
        await settled(self.gateway, self._asked)


async def agents(gateway: GatewayProcess) -> list[dict[str, Any]]:
    """Every agent, page by page."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await admin(gateway, f"/agents?limit=1000{cursor}")
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def until(
    holds: Callable[[], Any], why: Callable[[], str] = lambda: "it never became true", within: float = WITHIN
) -> float:
    """Ask until it says yes; the seconds that took."""
    watch = Stopwatch()
    while True:
        answer = holds()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return watch.seconds
        assert watch.seconds < within, why()
        await asyncio.sleep(0.01)


@dataclass
class Load:
    """What a paced load saw: statuses by number, seconds each answer took, answers that said they were degraded."""

    statuses: dict[int, int]
    seconds: list[float]
    degraded: int = 0
    broken: int = 0

    @property
    def requests(self) -> int:
        return sum(self.statuses.values()) + self.broken


async def paced(pool: Pool, make: Callable[[int], bytes], *, rate: float, over: "asyncio.Event | float") -> Load:
    """Begin `rate` requests a second whatever becomes of the earlier ones, until told or for so many seconds."""
    load, tasks, watch = Load({}, []), set[asyncio.Task[None]](), Stopwatch()

    async def one(number: int) -> None:
        own = Stopwatch()
        try:
            answer = await pool.ask(make(number))
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            load.broken += 1
            return
        load.statuses[answer.status] = load.statuses.get(answer.status, 0) + 1
        load.seconds.append(own.seconds)
        load.degraded += answer.header("x-gateway-degraded") is not None

    def is_over() -> bool:
        return over.is_set() if isinstance(over, asyncio.Event) else watch.seconds >= over

    number = 0
    while not is_over():
        while number < watch.seconds * rate:
            task = asyncio.create_task(one(number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
        await asyncio.sleep(0.002)
    await asyncio.gather(*tasks)
    return load


@dataclass
class Pulse:
    """How long `/livez` took while something else went on."""

    seconds: list[float]

    @property
    def worst(self) -> float:
        return max(self.seconds)


@asynccontextmanager
async def pulse(gateway: GatewayProcess, gap: float = 0.01) -> AsyncIterator[Pulse]:
    """Ask for `/livez` over and over on a connection of its own for the length of a block."""
    felt = Pulse([])

    async def beat(connection: RawConnection) -> None:
        while True:
            watch = Stopwatch()
            await connection.send(GET_LIVEZ)
            assert (await connection.response()).status == 200
            felt.seconds.append(watch.seconds)
            await asyncio.sleep(gap)

    async with await RawConnection.open(address(gateway)) as connection:
        beating = asyncio.create_task(beat(connection))
        try:
            await until(lambda: felt.seconds)
            yield felt
            assert not beating.done() or beating.exception() is None, beating.exception()
        finally:
            beating.cancel()
            with contextlib.suppress(BaseException):
                await beating


# -- what the kernel says


def descriptors(pid: int) -> int:
    return psutil.Process(pid).num_fds()


def resident(pid: int) -> int:
    """Bytes of memory in use."""
    return int(psutil.Process(pid).memory_info().rss)


def cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


class Peak:
    """The most memory a process has had since this was made (Linux: https://man7.org/linux/man-pages/man5/proc.5.html)."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        Path(f"/proc/{pid}/clear_refs").write_text("5")
        self._began = resident(pid)

    @property
    def grown(self) -> int:
        """Bytes above what it had at the start."""
        for line in self._status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 - self._began
        raise AssertionError("the kernel does not tell")


async def at_rest(gateway: GatewayProcess) -> int:
    """How many agents are known, once that changes no more."""
    known, since = -1, Stopwatch()
    while since.seconds < 0.5:
        totals = await admin(gateway, "/stats")
        if totals is None or totals["agents"] != known:  # None: on a busy machine Redis may seem late
            known, since = totals["agents"] if totals else known, Stopwatch()
        await asyncio.sleep(0.05)
    return known
