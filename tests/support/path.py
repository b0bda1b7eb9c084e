"""The whole path in the test's own loop: our server in front, real sockets, a scripted provider behind.

What `app` would build, less the store: sightings are kept in a list, and a test may put in its own judge and time-outs.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import httpx

from gateway.background.watch_deadlines import watch_deadlines
from gateway.demo.stub import StubModels
from gateway.edge.connections import Limits
from gateway.edge.data_plane import DataPlane
from gateway.edge.drain import Drain
from gateway.edge.server import Listener, Server
from gateway.edge.sockets import bind
from gateway.identity.fingerprint import Fingerprinter
from gateway.model.agent import Agent
from gateway.model.exchange import Exchange
from gateway.model.verdict import Judge, allow_all
from gateway.model.vitals import Vitals
from gateway.phases.admit import Admit, Gate
from gateway.phases.forward import Forward
from gateway.phases.identify import Identify
from gateway.phases.inspect import Inspect
from gateway.phases.profile import Profiler
from gateway.phases.rewrite import Rewrite
from gateway.phases.settle import Observer, Settle
from gateway.phases.timeouts import Timeouts
from gateway.pipeline import Pipeline
from gateway.pricing.table import Prices
from gateway.upstream.breaker import Breaker
from gateway.upstream.client import Client
from gateway.upstream.providers import STUB, Provider, Providers
from gateway.upstream.reply import Opener
from gateway.wire.interdiction import HoldBudget

OWN_KEY = b"own-admin-key-0123456789"


@dataclass
class Seen:
    """One call of `Sightings.seen`."""

    agent: Agent
    vitals: Vitals
    client: str | None
    tools: tuple[str, ...]
    ok: bool


@dataclass
class Sightings:
    """Keeps what settle records."""

    all: list[Seen] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def seen(
        self, agent: Agent, vitals: Vitals, *, client: str | None, address: str, tools: tuple[str, ...], ok: bool
    ) -> None:
        self.all.append(Seen(agent, vitals, client, tools, ok))
        self.changed.set()

    async def settled(self, number: int = 1) -> Seen:
        """The `number`-th exchange, once it is settled."""
        async with asyncio.timeout(10):
            while len(self.all) < number:
                self.changed.clear()
                await self.changed.wait()
        return self.all[number - 1]


@dataclass
class Path:
    """A running path."""

    url: str
    pipeline: Pipeline
    server: Server
    serving: "asyncio.Task[None]"
    sightings: Sightings
    budget: HoldBudget
    bodies: HoldBudget
    client: httpx.AsyncClient

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)


@asynccontextmanager
async def running_path(
    upstream: str = "http://127.0.0.1:1",
    *,
    judge: Judge = allow_all,
    judge_of: Callable[[Exchange], Judge] | None = None,
    timeouts: Timeouts | None = None,
    named: tuple[Provider, ...] = (),
    openers: Mapping[str, Opener] | None = None,
    default_key: str | None = None,
    judged_limit: int = 1_000_000,
    bodies_limit: int = 100_000_000,
    relayed_limit: int = 10_000_000,
    limits: Limits | None = None,
    gates: tuple[Gate, ...] = (),
    observers: tuple[Observer, ...] = (),
    change: Callable[[Pipeline], None] = lambda pipeline: None,
) -> AsyncIterator[Path]:
    """Serve on a free port for the length of a block. `change` may replace phases before the first request."""
    timeouts = timeouts or Timeouts()
    sightings, breaker, budget = Sightings(), Breaker(lambda: 0.5), HoldBudget()
    bodies = HoldBudget(bodies_limit)
    outgoing = Client(connect=timeouts.connect)
    stub: dict[str, Opener] = {STUB: StubModels(clock=lambda: 1.8e9, new_id=lambda: "0" * 24)}
    clock = time.monotonic
    profiler = Profiler(b"secret", clock=clock)
    providers = Providers(default_url=upstream, default_key=default_key, named=named, stub=True)
    pipeline = Pipeline(
        Identify(Fingerprinter(b"secret"), (OWN_KEY,)),
        Admit(bodies, judged_limit=judged_limit, relayed_limit=relayed_limit, gates=(profiler, *gates)),
        Rewrite(),
        Forward(providers, {**stub, **(openers or {})}, outgoing, breaker, timeouts, (OWN_KEY,), clock),
        Inspect(judge_of or (lambda exchange: judge), budget, timeouts, clock),
        Settle(
            sightings,
            breaker,
            clock=clock,
            wall_clock=lambda: 1.8e9,
            observers=(profiler.observe, *observers),
            price=Prices(lambda name: providers.by_name[name].url, clock=lambda: 1.8e9).price,
        ),
    )
    change(pipeline)
    numbers = count(1)
    app = DataPlane(pipeline, new_id=lambda: f"req_{next(numbers)}", clock=clock)
    hooks = Drain(
        pipeline.active, whole_seconds=timeouts.drain_whole, stream_seconds=timeouts.drain_stream, clock=clock
    )
    sockets = bind("127.0.0.1", 0)
    server = Server([Listener(app, sockets)], hooks=hooks, limits=limits, grace_seconds=0, handle_signals=False)
    watcher = asyncio.create_task(watch_deadlines(pipeline.active, clock, tick=0.01))
    serving = asyncio.create_task(server.serve())
    await server.started.wait()
    url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    async with httpx.AsyncClient(base_url=url, timeout=20, trust_env=False) as client:
        try:
            yield Path(url, pipeline, server, serving, sightings, budget, bodies, client)
        finally:
            watcher.cancel()
            server.stop()
            server.stop()
            await serving
            await outgoing.close()
