"""The simulated cloud, served in a thread."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.commands.demo_cloud import NothingOpen
from gateway.demo.cloud import PATH, CloudServer
from gateway.demo.cloud_state import Cloud
from gateway.edge.server import Listener, Server
from gateway.edge.sockets import bind, url_of


@dataclass
class RunningCloud:
    """`app` may be replaced. `heads`: of every request, in order; `meta`: the `_meta` of every call."""

    url: str
    cloud: Cloud
    app: Any
    heads: list[dict[str, str]] = field(default_factory=list)
    meta: list[dict[str, Any]] = field(default_factory=list)

    def executed(self, tool: str | None = None) -> list[tuple[str, dict[str, Any]]]:
        """The calls that were executed, of one tool or of all."""
        return [one for one in list(self.cloud.calls) if tool in (None, one[0])]


@contextmanager
def running_cloud(cloud: Cloud | None = None) -> Iterator[RunningCloud]:
    """Serve for the length of a block."""
    served = CloudServer(cloud or Cloud())
    sockets = bind("127.0.0.1", 0)
    running = RunningCloud(url_of(sockets[0]) + PATH, served.cloud, served)
    loop = asyncio.new_event_loop()

    async def noted(scope: Any, receive: Any, send: Any) -> None:
        running.heads.append({name.decode(): value.decode("latin-1") for name, value in scope["headers"]})
        parts: list[bytes] = []

        async def reading() -> Any:
            event = await receive()
            parts.append(event.get("body", b""))
            if not event.get("more_body") and b'"tools/call"' in (body := b"".join(parts)):
                document = json.loads(body)
                messages = document if isinstance(document, list) else [document]
                running.meta += [message.get("params", {}).get("_meta", {}) for message in messages]
            return event

        await running.app(scope, reading, send)

    server = Server([Listener(noted, sockets)], hooks=NothingOpen(), grace_seconds=0, handle_signals=False)
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve()), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(10)
        loop.close()
