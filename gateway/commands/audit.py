"""`leuko audit`: what was decided and done, and whether the record of it is whole."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands.session import Output, Session, group

Agent = Annotated[str | None, typer.Option("--agent", help="Only of this agent.")]
Action = Annotated[str | None, typer.Option("--action", help="Only this action, such as call:model.")]
Allowed = Annotated[bool | None, typer.Option("--allowed/--denied", help="Only what was let through, or was not.")]
Decision = Annotated[str | None, typer.Option("--decision", help="Only this one, by the id its agent was told: dec_….")]
Start = Annotated[str | None, typer.Option("--start-time", help="From then on: 2026-11-20T00:00:00Z.")]
End = Annotated[str | None, typer.Option("--end-time", help="Until then.")]

Directory = Annotated[
    Path | None, typer.Option("--directory", exists=True, file_okay=False, help="Check these files, ask no gateway.")
]
PublicKey = Annotated[str | None, typer.Option("--public-key", help="name+id+key; else the one beside the files.")]
Checkpoints = Annotated[
    list[Path] | None,
    typer.Option("--checkpoint", exists=True, dir_okay=False, help="A file of checkpoints kept elsewhere."),
]

_COLUMNS = ("time", "entry", "source", "agent_id", "action", "resource", "tool", "allowed", "rule", "result")
_CHAIN = ("chain", "size", "anchored", "closed", "first_bad", "problems")
_POLL_SECONDS = 1.0


def tail(
    session: Session,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="At most so many.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    agent: Agent = None,
    action: Action = None,
    allowed: Allowed = None,
    decision: Decision = None,
) -> None:
    """The latest entries, the newest last."""
    filters = {"agent_id": agent, "action": action, "allowed": allowed, "decision_id": decision}
    seen: set[str] = set()
    while True:
        page = session.client.items("/audit", limit, filters)
        fresh = [entry for entry in reversed(page) if entry["entry"] not in seen]
        _print(session, fresh, follow)
        seen = {entry["entry"] for entry in page}
        if not follow:
            return
        time.sleep(_POLL_SECONDS)


def verify(
    session: Session,
    directory: Directory = None,
    public_key: PublicKey = None,
    checkpoint: Checkpoints = None,
) -> None:
    """Check every chain against what was signed; exit code 1 and the first bad entry where one is not whole."""
    if directory is None:
        report = session.client.ask("GET", "/audit/verify")
    else:
        report = _verified(directory, public_key, checkpoint or [])
    if session.output is Output.JSON:
        session.show_one(report)
    else:
        session.show(report["chains"], _CHAIN)
        session.show_one({name: value for name, value in report.items() if name != "chains"})
    if not report["valid"]:
        raise typer.Exit(1)


def _verified(directory: Path, public_key: str | None, checkpoints: list[Path]) -> dict[str, Any]:
    """Check files, without a gateway."""
    from gateway.commands.client import Failure
    from gateway.ledger.note import read_verifier_key
    from gateway.spool.check import verify_all

    try:
        # The key beside the record can be changed with the record: whoever has it from elsewhere should name it.
        name, key = read_verifier_key(public_key or (directory / "public_key").read_text("utf-8"))
        kept = [note for path in checkpoints for note in _notes(path.read_text("utf-8"))]
        report = verify_all(directory, name, key, kept)
    except (OSError, ValueError) as error:
        raise Failure(f"{directory}: {error}") from None
    if not report.verdicts and report.sound:
        raise Failure(f"{directory}: holds no chain; the record is in the directory `audit` of GATEWAY_DATA_DIR")
    return report.shown()


def _notes(text: str) -> list[str]:
    """The signed notes that `leuko audit checkpoint` printed, or the one of a chain's own file. Raises ValueError."""
    if not text.startswith("{"):
        return [text]
    try:
        return [item["note"] for item in json.loads(text)["items"]]
    except (KeyError, TypeError):
        raise ValueError("this is no answer of /audit/checkpoint") from None


def checkpoint(session: Session) -> None:
    """The newest signed checkpoint of every chain, as JSON: kept elsewhere, it shows a record that was cut."""
    print(json.dumps(session.client.ask("GET", "/audit/checkpoint"), indent=2))


def export(
    session: Session,
    agent: Agent = None,
    action: Action = None,
    allowed: Allowed = None,
    start_time: Start = None,
    end_time: End = None,
) -> None:
    """Every entry as a line of JSON."""
    filters = {"agent_id": agent, "action": action, "allowed": allowed, "start_time": start_time, "end_time": end_time}
    for line in session.client.lines("/audit/export", filters):
        print(line)


def commands() -> typer.Typer:
    verbs = (("tail", tail), ("verify", verify), ("checkpoint", checkpoint), ("export", export))
    return group("audit", "What was decided and done.", verbs)


def _print(session: Session, entries: list[dict[str, Any]], follow: bool) -> None:
    if session.output is Output.JSON or not follow:
        session.show(entries, _COLUMNS)
        return
    for entry in entries:  # no columns to align: later ones are not known yet
        print("  ".join(str(entry.get(name) if entry.get(name) is not None else "-") for name in _COLUMNS), flush=True)
