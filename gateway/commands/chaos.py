"""`leuko chaos`: simulated agents, a fault, and what the gateway makes of it."""

import asyncio
import contextlib
import random
import secrets
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.session import Session
from gateway.demo.chaos_faults import FAULTS

if TYPE_CHECKING:
    from gateway.commands.client import AdminClient
    from gateway.demo.chaos import Trial

_TRIES, _PAUSE_SECONDS = 5, 0.5
_HELP = "What goes wrong: " + "; ".join(f"{fault.name} ({fault.says})" for fault in FAULTS.values()) + "."


def _known(name: str) -> str:
    if name not in FAULTS:
        raise typer.BadParameter(f"{name!r} is no fault; allowed: {', '.join(FAULTS)}")
    return name


def chaos(
    session: Session,
    fault: Annotated[str, typer.Argument(help=_HELP, callback=_known)],
    agents: Annotated[int, typer.Option(min=1, max=200, help="How many agents work.")] = 5,
    rate: Annotated[float, typer.Option(min=0.1, max=200, help="Requests a second of each.")] = 10.0,
    seconds: Annotated[
        float, typer.Option(min=1, max=3600, help="How long the gateway may take to see it, and again to heal it.")
    ] = 40.0,
    lasting: Annotated[
        float, typer.Option(min=0, max=3600, help="How long the fault lasts, unless its agents are blocked before.")
    ] = 8.0,
    approve: Annotated[bool, typer.Option("--approve", help="Approve healing that waits for a person.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Do not release and delete the simulated agents.")] = False,
    model_url: Annotated[
        str | None, typer.Option(help="Where agents ask, if the admin API has its own port.", show_default="--url")
    ] = None,
) -> None:
    """Make simulated agents ill on a gateway that runs with --stub, and tell what it makes of that.

    Exits with 0 if what is expected has happened, else with 1.
    """
    from gateway.commands.client import Failure
    from gateway.demo.chaos import ChaosFailure, Trial

    trial = Trial(FAULTS[fault], agents, rate, seconds, secrets.token_hex(3), lasting, approve)
    try:
        missing = asyncio.run(_run(session, trial, model_url, keep=keep))
    except ChaosFailure as error:
        raise Failure(str(error)) from None
    for line in missing:
        print(f"leuko: {line}", file=sys.stderr)
    if missing:
        raise typer.Exit(1)
    print(f"{fault}: the gateway did what is expected")


async def _run(session: Session, trial: "Trial", model_url: str | None, *, keep: bool) -> list[str]:
    import httpx

    from gateway.commands.client import Failure
    from gateway.demo.chaos import Chaos

    client = session.client

    async def ask(method: str, path: str, query: dict[str, Any] | None = None, body: object = None) -> Any:
        for left in range(_TRIES if method == "GET" else 1, 0, -1):
            try:
                return await asyncio.to_thread(client.ask, method, path, params=query, body=body)
            except Failure as failure:
                if left == 1 or failure.status not in (None, 503):
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)

    most = httpx.Limits(max_connections=2 * trial.agents + 10)
    async with httpx.AsyncClient(base_url=model_url or client.url, timeout=60.0, limits=most, trust_env=False) as http:
        made = Chaos(trial, http, ask, random.Random(), lambda text: print(text, flush=True))
        try:
            return await made.run()
        finally:
            if not keep:
                await asyncio.to_thread(_forget, client, [agent.agent_id for agent in made.agents if agent.agent_id])


def _forget(client: "AdminClient", agent_ids: Iterable[str]) -> None:
    """Leave nobody behind who would be taken for a real agent, and whom the next trial's agents would be likened to."""
    from gateway.commands.client import Failure

    for agent_id in agent_ids:
        try:
            with contextlib.suppress(Failure):  # it is being healed, and deleted all the same
                client.ask("DELETE", f"/quarantine/{agent_id}", body={"reason": "the trial is over"})
            client.ask("DELETE", f"/agents/{agent_id}")
        except Failure as failure:
            print(f"leuko: {agent_id} is kept: {failure}", file=sys.stderr)
