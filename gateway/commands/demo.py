"""`leuko demo`: a fleet that falls ill and is healed; `leuko demo NAME`: the story of one agent; `leuko demo cloud`:
tools that nothing real depends on.
"""

import asyncio
from typing import Annotated

import typer

from gateway.commands.demo_cloud import NothingOpen
from gateway.commands.demo_fleet import fleet
from gateway.commands.demo_walkthroughs import WALKTHROUGHS


def cloud(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: a free one.")] = 4100,
) -> None:
    """Serve a simulated cloud as an MCP server, until Ctrl-C: services, logs, a shell, jobs, settings."""
    import sys

    from gateway.demo.cloud import PATH, CloudServer
    from gateway.demo.cloud_state import Cloud
    from gateway.edge.server import Listener, Server
    from gateway.edge.sockets import AddressInUse, AddressNotUsable, bind, url_of

    try:
        sockets = bind(host, port)
    except (AddressInUse, AddressNotUsable) as error:
        print(f"leuko: {error}", file=sys.stderr)
        raise typer.Exit(1) from None

    async def serve() -> None:
        server = Server([Listener(CloudServer(Cloud()), sockets)], hooks=NothingOpen(), grace_seconds=0)
        serving = asyncio.create_task(server.serve())
        await server.started.wait()
        print(f"The simulated cloud listens on {url_of(sockets[0])}{PATH}", flush=True)
        await serving

    asyncio.run(serve())


def commands() -> typer.Typer:
    made = typer.Typer(name="demo", rich_markup_mode=None)
    made.callback(invoke_without_command=True)(fleet)
    made.command("immune")(fleet)
    for walkthrough in WALKTHROUGHS:
        made.command()(walkthrough)
    made.command("cloud")(cloud)
    return made
