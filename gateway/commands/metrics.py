"""`leuko metrics`: what Prometheus reads, for whoever has no Prometheus at hand."""

import json
from typing import Annotated

import typer

from gateway.commands.session import Output, Session


def metrics(
    session: Session,
    name: Annotated[str, typer.Argument(help="Only metrics whose names begin so.", metavar="NAME")] = "",
) -> None:
    """Print the gateway's metrics as they are now, a line each; exit code 1 where none has such a name."""
    from gateway.commands.client import Failure

    found = [line for line in session.client.lines("/metrics") if line.startswith(name) and not line.startswith("#")]
    if not found:
        raise Failure(f"no metric begins with {name}")
    print(json.dumps(found, indent=2) if session.output is Output.JSON else "\n".join(found))
