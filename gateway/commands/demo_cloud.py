"""The simulated cloud, served in a thread of a command."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.demo.cloud_state import Cloud


class NothingOpen:
    """The drain of an application whose answers take no time."""

    def on_draining(self) -> None:
        """Nobody asks whether it is ready."""

    async def drain(self) -> None:
        """Nothing is under way."""

    def hurry(self) -> None:
        """As `drain`."""


class ServedCloud:
    """`url` is that of the MCP server. `app` answers it, and may be replaced, as by one that verifies first."""

    def __init__(self, url: str, cloud: "Cloud", app: Any) -> None:
        self.url, self.cloud, self.app = url, cloud, app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@contextmanager
def served_cloud() -> Iterator[ServedCloud]:
    """On a free port of this machine, for the length of a block. Raises AddressNotUsable."""
    from gateway.demo.cloud import PATH, CloudServer
    from gateway.demo.cloud_state import Cloud
    from gateway.edge.server import Listener, Server
    from gateway.edge.sockets import bind, url_of

    sockets = bind("127.0.0.1", 0)
    app = CloudServer(Cloud())
    served = ServedCloud(url_of(sockets[0]) + PATH, app.cloud, app)
    loop = asyncio.new_event_loop()
    server = Server([Listener(served, sockets)], hooks=NothingOpen(), grace_seconds=0, handle_signals=False)
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(server.serve()), name="leuko-demo-cloud", daemon=True
    )
    thread.start()
    try:
        yield served
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(10)
        loop.close()
