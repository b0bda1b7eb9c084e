"""The path of MCP exchanges with pinned tools: a scripted server whose lists a test makes up, a real Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.identity.arguments import ArgumentsHash
from gateway.phases.decisions import Decisions
from gateway.phases.mcp.catalog import Catalog
from gateway.phases.mcp.listing import Listing
from gateway.phases.mcp.pins import HeldTools
from gateway.phases.mcp.tool_findings import ToolFindings
from gateway.store.approvals import Approvals
from gateway.store.connection import Connection
from gateway.store.control import Control
from gateway.store.tool_pins import ToolPins
from gateway.upstream.client import Client
from tests.support.judging import Entries, engine
from tests.support.mcp_path import MCPWorld, mcp_path
from tests.support.upstream import Conversation, Request, ScriptedUpstream


def tool(name: str, description: str = "Does it.", **more: Any) -> dict[str, Any]:
    return {"name": name, "description": description, "inputSchema": {"type": "object"}, **more}


@dataclass
class Server:
    """`tools` is its list; `shown` what it shows callers instead of that; `asked` every message but lists of the
    gateway itself, `looks` those; `raw` answers lists of callers and batches, byte for byte."""

    tools: list[Any]
    shown: list[Any] | None = None
    result: dict[str, Any] = field(default_factory=lambda: {"content": []})
    silent: bool = False
    raw: bytes | None = None
    looks: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, asked: Request, talk: Conversation) -> None:
        message = asked.json()
        if isinstance(message, list):
            await talk.send(self.raw or b"")
            return
        own = message["id"] == "leuko-1"
        if own:
            self.looks += 1
            if self.silent:
                await talk.json({}, status=500)
                return
        else:
            self.asked.append(message)
        if message["method"] == "tools/list":
            if self.raw is not None and not own:
                await talk.send(self.raw)
                return
            tools = self.tools if own or self.shown is None else self.shown
            await talk.json({"jsonrpc": "2.0", "id": message["id"], "result": {"tools": tools, "nextCursor": None}})
        else:
            await talk.json({"jsonrpc": "2.0", "id": message["id"], "result": self.result})


@dataclass
class ToolWorld:
    """A running path."""

    world: MCPWorld
    server: Server
    pins: ToolPins
    approvals: Approvals
    entries: Entries
    catalog: Catalog
    events: list[tuple[str, dict[str, Any]]]
    clock: list[float]

    async def call(self, name: str, key: str = "agk_one", **arguments: Any) -> dict[str, Any]:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        answer = await self.world.post(message, key=key)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def names(self, key: str = "agk_one") -> list[str]:
        answer = await self.world.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, key=key)
        return [one["name"] for one in answer.json()["result"]["tools"]]

    async def again(self) -> None:
        """Have the next use look again."""
        self.clock[0] += 1000.0


@asynccontextmanager
async def tool_path(
    url: str, server: Server, *documents: Mapping[str, Any], shadow: bool = False, **options: Any
) -> AsyncIterator[ToolWorld]:
    """Serve `server` as `files`, under policy documents."""
    connection = Connection(url, op_timeout=5, connect_timeout=5)
    control = Control(connection, clock=time.monotonic)
    await control.begin()
    pins, approvals = ToolPins(control, connection, clock=time.time), Approvals(connection, clock=time.time)
    entries, events, clock, client = Entries(), list[tuple[str, dict[str, Any]]](), [0.0], Client()
    findings = ToolFindings(entries.append, lambda kind, data: events.append((kind, data)), clock=lambda: 1.8e9)
    catalog = Catalog(Listing(client), pins, clock=lambda: time.monotonic() + clock[0], told=findings.listed, **options)
    decisions = Decisions(entries, args_hash=ArgumentsHash(b"secret"), clock=lambda: 1.8e9)
    rules = engine(*documents, shadow=shadow)
    held = HeldTools(
        catalog,
        pins,
        findings,
        decisions,
        lambda exchange: rules,
        modes=lambda agent: {},
        clock=lambda: 1.8e9,
        approvals=approvals,
    )
    async with ScriptedUpstream(server) as upstream, mcp_path(upstream.url, *documents, gates=(held.gate,)) as world:
        yield ToolWorld(world, server, pins, approvals, entries, catalog, events, clock)
    await client.close()
    await asyncio.sleep(0)
    await connection.close()
