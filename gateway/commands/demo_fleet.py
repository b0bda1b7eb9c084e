"""`leuko demo`: the story of a fleet, on a gateway of its own."""

import asyncio
import os
import random
import sys
from collections.abc import Iterable
from dataclasses import astuple
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.console import plain_console
from gateway.demo.fleet_cases import STORY, Row

if TYPE_CHECKING:
    from gateway.commands.demo_gateway import OwnGateway

_NARROW = 120  # below it, cells would be a word wide
_HEADINGS = ("agent", "fault", "found by", "states", "diagnosis", "remedy", "outcome")


def fleet(
    context: typer.Context,
    agents: Annotated[int, typer.Option(min=len(STORY) + 1, max=50, help="How many agents work.")] = 15,
    rate: Annotated[float, typer.Option(min=1, max=50, help="Requests a second of each.")] = 4.0,
    seed: Annotated[int, typer.Option(help="Where what they say comes from.")] = 7,
) -> None:
    """A fleet of simulated agents, six that fall ill, a provider that fails, and the immune system at work.

    Takes about a minute, at most three, and touches nothing: gateway, Redis and agents are its own and gone afterwards.
    Exits with 0 if the story went as it should, else with 1.
    """
    if context.invoked_subcommand is not None:
        return
    from gateway.commands.client import Failure
    from gateway.commands.demo_gateway import DemoFailure, ended_by_signals, own_gateway
    from gateway.demo.fleet_story import StoryFailure

    try:
        with ended_by_signals(), own_gateway(os.environ) as gateway:
            missing = asyncio.run(_tell(gateway, agents, rate, seed))
    except (DemoFailure, StoryFailure, Failure) as failure:
        missing = [str(failure)]
    for line in missing:
        print(f"leuko: {line}", file=sys.stderr)
    if missing:
        raise typer.Exit(1)
    print("The story went as it should.")


async def _tell(gateway: "OwnGateway", agents: int, rate: float, seed: int) -> list[str]:
    import httpx

    from gateway.commands.client import AdminClient, patient
    from gateway.demo.fleet_story import FleetStory

    settings = " ".join(f"{name}={value}" for name, value in gateway.settings.items())
    print(f"A gateway of its own: {settings} leuko serve --stub", flush=True)
    print(f"It listens on {gateway.url}; to look at it: GATEWAY_URL={gateway.url} {settings} leuko top", flush=True)
    client = AdminClient(gateway.url, gateway.admin_key)

    async def ask(method: str, path: str, query: dict[str, Any] | None = None, body: object = None) -> Any:
        return await asyncio.to_thread(patient(client), method, path, params=query, body=body)

    most = httpx.Limits(max_connections=2 * agents + 10)
    try:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=60.0, limits=most, trust_env=False) as http:
            say = lambda text: print(text, flush=True)  # noqa: E731
            story = FleetStory(http, ask, random.Random(seed), say, agents=agents, rate=rate)
            missing = await story.run()
            show(story.rows())
    finally:
        client.close()
    return missing


def show(rows: Iterable[Row]) -> None:
    """The table at the end: who fell ill and what became of it; those that stayed well in one line."""
    from rich.table import Table
    from rich.text import Text

    console = plain_console()
    told = list(rows)
    well = [row for row in told if row.fault == "-"]
    cells = [astuple(row) for row in told if row.fault != "-"]
    if console.width >= _NARROW:
        table = Table(*_HEADINGS)
        for row in cells:
            table.add_row(*map(Text, row))
        console.print(table)
    else:
        for row in cells:
            console.print(Text(row[0]))
            for heading, cell in zip(_HEADINGS[1:], row[1:], strict=True):
                console.print(Text(f"  {heading:<10} {cell}"), soft_wrap=True)
    for outcome in dict.fromkeys(row.outcome for row in well):
        names = ", ".join(row.agent for row in well if row.outcome == outcome)
        console.print(Text(f"{outcome}: {names}"), soft_wrap=True)
