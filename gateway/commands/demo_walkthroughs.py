"""`leuko demo sysadmin`, `modes`, `ops`, `guard`: stories of one agent each, on a gateway of their own."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import typer

from gateway.commands.console import plain_console

if TYPE_CHECKING:
    from gateway.commands.demo_cloud import ServedCloud
    from gateway.commands.demo_gateway import OwnGateway
    from gateway.demo.walkthrough import Step, Story

_ISSUER = "leuko"  # of the tokens of a gateway with the default prefix of its keys
_SERVER = "cloud"
_HEADINGS = ("#", "step", "what came of it", "verdict")


def sysadmin() -> None:
    """Sense, plan, govern, act: one restart that was declared before, and every way around it refused."""
    from gateway.demo.story_sysadmin import sysadmin as story

    _tell(story, guarded=True)


def modes() -> None:
    """An SRE's assistant in NORMAL and in EMERGENCY: ten scenarios."""
    from gateway.demo.story_modes import modes as story

    _tell(story)


def ops() -> None:
    """An assistant for the people on call: six prompts planned, then executed safely, and a jail for commands."""
    from gateway.demo.story_ops import ops as story

    _tell(story)


def guard() -> None:
    """Make an agent, say what it may do, have it ask, look at its record and its usage, stop it."""
    from gateway.demo.story_guard import guard as story

    _tell(story)


WALKTHROUGHS: tuple[Callable[[], None], ...] = (sysadmin, modes, ops, guard)


def _tell(story: "Story", *, guarded: bool = False) -> None:
    """Exits with 1 if a step did not go as expected. guarded: the cloud executes only what came through the gateway."""
    from gateway.commands.client import Failure
    from gateway.commands.demo_cloud import served_cloud
    from gateway.commands.demo_gateway import DemoFailure, ended_by_signals, own_gateway

    try:
        with (
            ended_by_signals(),
            served_cloud() as cloud,
            own_gateway(os.environ, GATEWAY_MCP_SERVERS=f'{{"{_SERVER}": "{cloud.url}"}}') as gateway,
        ):
            if guarded:
                _verify(cloud, gateway)
            steps = _play(story, cloud, gateway)
    except (DemoFailure, Failure) as failure:
        print(f"leuko: {failure}", file=sys.stderr)
        raise typer.Exit(1) from None
    show(steps)
    if not steps or not all(step.ok for step in steps):
        raise typer.Exit(1)


def _verify(cloud: "ServedCloud", gateway: "OwnGateway") -> None:
    """As any tool server can."""
    from gateway.sdk.verifier import CallVerifier

    verifier = CallVerifier(f"{gateway.url}/.well-known/jwks.json", issuer=_ISSUER, audience=_SERVER)
    cloud.app = verifier.asgi(cloud.app)


def _play(story: "Story", cloud: "ServedCloud", gateway: "OwnGateway") -> "list[Step]":
    """Raises Failure."""
    import httpx

    from gateway.commands.client import AdminClient, Failure, patient
    from gateway.demo.walkthrough import Stage

    print(f"A gateway of its own, with stub models: {gateway.url}", flush=True)
    print(f"A simulated cloud behind {gateway.url}/mcp/{_SERVER}: {cloud.url}", flush=True)
    admin = AdminClient(gateway.url, gateway.admin_key)
    try:
        with httpx.Client(base_url=gateway.url, timeout=60.0, trust_env=False) as http:
            stage = Stage(http, patient(admin), cloud.cloud, cloud.url, lambda text: print(text, flush=True))
            story(stage)
    except httpx.HTTPError as error:
        raise Failure(f"{gateway.url}: no answer: {error or type(error).__name__}") from None
    finally:
        admin.close()
    return stage.steps


def show(steps: "Sequence[Step]") -> None:
    """The table at the end, and the verdict."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = plain_console()
    table = Table(*_HEADINGS, box=box.SIMPLE)
    for number, step in enumerate(steps, 1):
        verdict = "ok" if step.ok else f"NOT OK: expected was {step.expected}"
        cells = (str(number), step.what, step.seen, verdict)
        table.add_row(*(Text(cell, overflow="fold") for cell in cells), style=None if step.ok else "bold red")
    console.print(table)
    wrong = sum(not step.ok for step in steps)
    if wrong or not steps:
        console.print(Text(f"{wrong} of {len(steps)} steps did not go as expected."))
    else:
        console.print(Text(f"All {len(steps)} steps went as expected."))
