"""The path of MCP exchanges in the test's own loop: our server in front, real sockets, a scripted MCP server behind."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from gateway.background.watch_deadlines import watch_deadlines
from gateway.edge.asgi import respond
from gateway.edge.dispatch import Dispatch
from gateway.edge.drain import Drain
from gateway.edge.mcp import MCPPlane
from gateway.edge.server import Listener, Server
from gateway.edge.sockets import bind
from gateway.identity.arguments import ArgumentsHash
from gateway.identity.fingerprint import Fingerprinter
from gateway.model.agent import Agent
from gateway.model.errors import Refusal
from gateway.phases.admit import Gate
from gateway.phases.approving import Approvals, Approving
from gateway.phases.decisions import Decisions
from gateway.phases.identify import Identify
from gateway.phases.judging import Judging, Memories
from gateway.phases.mcp.admit import AdmitMCP
from gateway.phases.mcp.forward import ForwardMCP
from gateway.phases.mcp.identify import IdentifyMCP
from gateway.phases.mcp.inspect import InspectMCP
from gateway.phases.mcp.judging import JudgingCalls
from gateway.phases.mcp.rewrite import RewriteMCP
from gateway.phases.mcp.rounds import Rounds
from gateway.phases.mcp.sessions import Sessions
from gateway.phases.mcp.settle import SettleMCP
from gateway.phases.profile import Profiler
from gateway.phases.record import Record
from gateway.phases.settle import Observer
from gateway.phases.timeouts import Timeouts
from gateway.pipeline import Pipeline
from gateway.upstream.client import Client
from gateway.upstream.mcp_servers import MCPServer, MCPServers
from gateway.wire.interdiction import HoldBudget
from tests.support.judging import Entries, engine
from tests.support.path import OWN_KEY, Seen, Sightings

SERVER_KEY = "server-own-key-0123456789"
NEW = "2026-07-28"
ACCEPT = {"accept": "application/json, text/event-stream"}


class Prover:
    """Every `agk_` key proves that its own name is calling, but for `agk_nobody`."""

    def takes(self, credential: bytes) -> bool:
        return credential.startswith(b"agk_")

    async def agent(self, proof: bytes) -> Agent:
        if proof == b"agk_nobody":
            raise Refusal("invalid_api_key", "This agent key is not known.")
        return Agent(proof.decode().removeprefix("agk_"), True, key_id=proof.decode())


def request(method: str, id: int | str | None = 1, **params: Any) -> dict[str, Any]:
    """A JSON-RPC request, or without an id a notification."""
    return {"jsonrpc": "2.0", "method": method, "params": params} | ({} if id is None else {"id": id})


def call(tool: str, id: int | str = 1, **arguments: Any) -> dict[str, Any]:
    return request("tools/call", id, name=tool, arguments=arguments)


def result(id: int | str = 1, **members: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "result": members}


@dataclass
class MCPWorld:
    """A running path."""

    url: str
    client: httpx.AsyncClient
    pipeline: Pipeline
    server: Server
    sightings: Sightings
    entries: Entries
    sessions: Sessions
    bodies: HoldBudget
    identify: IdentifyMCP
    forward: ForwardMCP
    modes: dict[str, str] = field(default_factory=dict)

    async def post(
        self, message: Any, *, key: str | None = "agk_one", to: str = "/mcp/files", **headers: str
    ) -> httpx.Response:
        """Send one message or a batch; header names with `_` for `-`."""
        return await self.client.post(to, content=_content(message), headers=self.headers(key, **headers))

    def headers(self, key: str | None = "agk_one", **headers: str) -> dict[str, str]:
        own = {} if key is None else {"authorization": f"Bearer {key}"}
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return {"content-type": "application/json", **ACCEPT, **own, **sent}

    async def settled(self, number: int = 1) -> Seen:
        return await self.sightings.settled(number)


def _content(message: Any) -> bytes:
    return message if isinstance(message, bytes) else json.dumps(message).encode()


@asynccontextmanager
async def mcp_path(
    upstream: str,
    *documents: Mapping[str, Any],
    unverified: bool = False,
    limit: int = 1_000_000,
    bodies: int = 100_000_000,
    memories: Memories | None = None,
    head_gates: tuple[Gate, ...] = (),
    gates: tuple[Gate, ...] = (),
    observers: tuple[Observer, ...] = (),
    timeouts: Timeouts | None = None,
    api_key: str | None = SERVER_KEY,
    change: Callable[[Pipeline], None] = lambda pipeline: None,
    approvals: Approvals | None = None,
    rounds: Rounds | None = None,
    once: Any = None,
    quiet: float = 5.0,
) -> AsyncIterator[MCPWorld]:
    """Serve the server `files` at `upstream` under policy documents, for the length of a block."""
    timeouts, clock = timeouts or Timeouts(), time.monotonic
    sightings, entries, held, modes = Sightings(), Entries(), HoldBudget(bodies), dict[str, str]()
    rules, sessions, client = engine(*documents), Sessions(b"secret"), Client(connect=timeouts.connect)
    decisions = Decisions(entries, args_hash=ArgumentsHash(b"secret"), clock=lambda: 1.8e9)
    judging = Judging(
        decisions,
        modes=lambda agent: modes,
        clock=lambda: 1.8e9,
        memories=memories,
        approving=None if approvals is None else Approving(approvals),
    )
    calls = JudgingCalls(
        lambda exchange: rules,
        judging.of,
        clock=time.time,
        monotonic=clock,
        rounds=rounds,
        once=once,
        quiet=quiet,
    )
    record = Record(_Later(entries), wall_clock=lambda: 1.8e9)
    identify = IdentifyMCP(
        Identify(Fingerprinter(b"secret"), (OWN_KEY,), prover=Prover()),
        MCPServers([MCPServer("files", f"{upstream}/endpoint", api_key), MCPServer("default", f"{upstream}/other/")]),
        sessions,
        unverified=unverified,
        gates=(Profiler(b"secret", clock=clock), *head_gates),
    )
    forward = ForwardMCP(client, timeouts, (OWN_KEY,), clock)
    pipeline = Pipeline(
        identify,
        AdmitMCP(held, limit=limit, gates=(*gates, calls.gate, record.decide)),
        RewriteMCP(),
        forward,
        InspectMCP(sessions, clock),
        SettleMCP(sightings, clock=clock, wall_clock=lambda: 1.8e9, observers=(record.outcome, *observers)),
    )
    change(pipeline)
    http = httpx.AsyncClient(timeout=20, trust_env=False)
    async with _serving(pipeline, timeouts) as (url, server), http:
        http.base_url = httpx.URL(url)
        yield MCPWorld(url, http, pipeline, server, sightings, entries, sessions, held, identify, forward, modes)
    await client.close()


@asynccontextmanager
async def _serving(pipeline: Pipeline, timeouts: Timeouts) -> AsyncIterator[tuple[str, Server]]:
    numbers, clock = count(1), time.monotonic
    plane = MCPPlane(pipeline, new_id=lambda: f"req_{next(numbers)}", clock=clock)
    dispatch = Dispatch(
        data_plane=None,
        admin=None,
        probe=_nothing,
        allowed_hosts=frozenset({"127.0.0.1", "localhost"}),
        mcp=plane,
        allowed_origins=("https://console.example",),
    )
    hooks = Drain(
        pipeline.active, whole_seconds=timeouts.drain_whole, stream_seconds=timeouts.drain_stream, clock=clock
    )
    sockets = bind("127.0.0.1", 0)
    server = Server([Listener(dispatch, sockets)], hooks=hooks, grace_seconds=0, handle_signals=False)
    watcher = asyncio.create_task(watch_deadlines(pipeline.active, clock, tick=0.01))
    serving = asyncio.create_task(server.serve())
    await server.started.wait()
    try:
        yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}", server
    finally:
        watcher.cancel()
        server.stop()
        server.stop()
        await serving


class _Later:
    """The entries as `Record` wants them."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self.append, self.durable = entries.append, entries.durable

    def later(self, entry: Any) -> None:
        self._entries.all.append(entry)


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    await respond(send, 404, [], b"")
