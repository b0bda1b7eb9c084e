"""A real MCP server (the `mcp` package's, under uvicorn) in a thread of its own, speaking both eras."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.streamable_http import EventMessage, EventStore
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass
class RunningServer:
    """`requests` holds (method, path, headers) of every HTTP request it got; `calls` what its tools were called with;
    `cancelled` the tools that were cut short."""

    url: str
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    server: MCPServer = field(default_factory=lambda: MCPServer("tools"))

    def tool(self, name: str, description: str, **options: Any) -> None:
        """Have a tool as it is described now, whatever there was under its name."""
        if name in {tool.name for tool in self.server._tool_manager.list_tools()}:
            self.server.remove_tool(name)

        def used(text: str = "") -> str:
            self.calls.append((name, {"text": text}))
            return f"{name} {text}"

        self.server.add_tool(options.pop("function", used), name, description=description, **options)


class Events(EventStore):
    """Every event, so that a stream can be taken up again."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Any]] = []

    async def store_event(self, stream_id: str, message: Any) -> str:
        self.all.append((stream_id, message))
        return str(len(self.all) - 1)

    async def replay_events_after(self, last_event_id: str, send_callback: Any) -> str | None:
        stream_id = self.all[int(last_event_id)][0]
        for number in range(int(last_event_id) + 1, len(self.all)):
            stream, message = self.all[number]
            if stream == stream_id and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream_id


class Count(BaseModel):
    """What `ask` asks for."""

    count: int


def make_server(run: RunningServer) -> MCPServer:
    """Some tools: harmless, harmful, slow, failing, talkative."""
    server = run.server

    @server.tool()
    def add(a: int, b: int) -> str:
        run.calls.append(("add", {"a": a, "b": b}))
        return str(a + b)

    @server.tool()
    def delete_file(path: str) -> str:
        run.calls.append(("delete_file", {"path": path}))
        return f"deleted {path}"

    @server.tool()
    def fail() -> str:
        raise ValueError("it does not work")

    @server.tool()
    async def slow() -> str:
        run.calls.append(("slow", {}))
        try:
            while not run.release.is_set():
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            run.cancelled.append("slow")
            raise
        return "done"

    @server.tool()
    async def talk(count: int, ctx: Context) -> str:
        for number in range(count):
            await ctx.report_progress(number + 1, count, f"step {number}")
        return "said"

    @server.tool()
    async def ask(ctx: Context) -> str:
        answer = await ctx.elicit("How many?", Count)
        return f"{answer.action} {getattr(answer, 'data', None)}"

    @server.tool()
    async def resume(ctx: Context) -> str:
        await ctx.close_sse_stream()
        return "resumed"

    @server.tool()
    async def change(ctx: Context) -> str:
        await ctx.notify_tools_changed()
        return "changed"

    @server.tool()
    async def announce(ctx: Context) -> str:
        await ctx.session.send_tool_list_changed()
        return "announced"

    @server.resource("file:///notes")
    def notes() -> str:
        return "notes"

    @server.prompt()
    def greet(name: str) -> str:
        return f"Hello {name}"

    return server


class _Noted:
    """Notes every request on its way to the application."""

    def __init__(self, app: ASGIApp, run: RunningServer) -> None:
        self._app = app
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            path = scope["path"] + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
            self._run.requests.append((scope["method"], path, headers))
        await self._app(scope, receive, send)


@contextmanager
def running_mcp_server(**options: Any) -> Iterator[RunningServer]:
    """Serve for the length of a block; `options` go to `streamable_http_app`."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        run = RunningServer(f"http://127.0.0.1:{sock.getsockname()[1]}/mcp")
        app = make_server(run).streamable_http_app(**options)
        config = uvicorn.Config(_Noted(app, run), log_level="warning", lifespan="on", timeout_graceful_shutdown=0)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
        thread.start()
        try:
            yield run
        finally:
            run.release.set()
            server.should_exit = server.force_exit = True
            thread.join(10)
